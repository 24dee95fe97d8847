# Benchmarks: built by `make bench', run by bench/run, never installed.
EXTRA_PROGRAMS += $(BENCHMARKS)
BENCHMARKS = bench/baseline bench/emit bench/generate bench/latency bench/load bench/receiver \
	bench/worker
CLEANFILES += $(BENCHMARKS)
EXTRA_DIST += bench/README.md bench/run bench/picture

BENCH_CFLAGS = $(AM_CFLAGS) -D_GNU_SOURCE $(RDKAFKA_CFLAGS)

bench_baseline_SOURCES = bench/baseline.c bench/client.c bench/client.h bench/common.c bench/common.h
bench_baseline_CFLAGS = $(BENCH_CFLAGS) $(CURL_CFLAGS)
bench_baseline_LDADD = $(RDKAFKA_LIBS) $(CURL_LIBS)

bench_emit_SOURCES = bench/emit.c bench/emit.h bench/emit_evpipe.c bench/emit_rdkafka.c bench/emit_ring.c bench/histogram.h \
	bench/timer.c bench/timer.h bench/client.c bench/client.h bench/common.c bench/common.h
bench_emit_CFLAGS = $(BENCH_CFLAGS)
bench_emit_LDADD = libevpipe.la $(RDKAFKA_LIBS) -lm

bench_generate_SOURCES = bench/generate.c bench/common.c bench/common.h
bench_generate_CFLAGS = $(BENCH_CFLAGS)

bench_latency_SOURCES = bench/latency.c bench/client.c bench/client.h bench/common.c bench/common.h
bench_latency_CFLAGS = $(BENCH_CFLAGS)
bench_latency_LDADD = libevpipe.la $(RDKAFKA_LIBS)

bench_load_SOURCES = bench/load.c bench/client.c bench/client.h bench/common.c bench/common.h
bench_load_CFLAGS = $(BENCH_CFLAGS)
bench_load_LDADD = $(RDKAFKA_LIBS)

bench_receiver_SOURCES = bench/receiver.c bench/histogram.h bench/common.c bench/common.h
bench_receiver_CFLAGS = $(BENCH_CFLAGS)

bench_worker_SOURCES = bench/worker.c bench/common.c bench/common.h
bench_worker_CFLAGS = $(BENCH_CFLAGS)
bench_worker_LDADD = libevpipe.la

.PHONY: bench
bench: $(BENCHMARKS) $(bin_PROGRAMS)
