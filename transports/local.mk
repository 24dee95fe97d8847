# Transports; part of libevpipe.
noinst_LTLIBRARIES += libevpipe-transports.la
libevpipe_all_la_LIBADD += libevpipe-transports.la
libevpipe_transports_la_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
libevpipe_transports_la_LIBADD =
libevpipe_transports_la_SOURCES = transports/builtin.c transports/builtin.h \
	transports/fault-commits.c \
	transports/fault-kept.c \
	transports/fault-partitions.c \
	transports/fault-script.c transports/fault-script.h \
	transports/fault-sends.c \
	transports/fault.c transports/fault.h

if WITH_KAFKA
libevpipe_transports_la_LIBADD += $(RDKAFKA_LIBS)
libevpipe_transports_la_SOURCES += \
	transports/kafka.c transports/kafka.h \
	transports/kafka-admin.c \
	transports/kafka-client.c \
	transports/kafka-commit.c \
	transports/kafka-consumer.c \
	transports/kafka-errors.c \
	transports/kafka-joins.c \
	transports/kafka-notes.c \
	transports/kafka-offsets.c \
	transports/kafka-partition.c \
	transports/kafka-poll.c \
	transports/kafka-producer.c \
	transports/kafka-rebalance.c \
	transports/kafka-settings.c \
	transports/kafka-topics.c \
	transports/kafka-wake.c
endif
