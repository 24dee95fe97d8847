# Examples: installed with the documentation; built, and run where they can be, by `make check'.
CHATBOT_SOURCES = examples/chatbot/chatbot.c examples/chatbot/chatbot.h examples/chatbot/steplog.c examples/chatbot/steplog.h

exampledir = $(docdir)/examples
dist_example_DATA = examples/embed.c examples/own-sink.c examples/test-own-pipeline.c examples/test-own-seeds.c
chatbotdir = $(exampledir)/chatbot
dist_chatbot_DATA = $(CHATBOT_SOURCES) examples/chatbot/main.c examples/chatbot/Makefile

check_PROGRAMS += examples/embed examples/own-sink examples/chatbot/chatbot

examples_embed_SOURCES = examples/embed.c
examples_embed_LDADD = libevpipe.la

examples_own_sink_SOURCES = examples/own-sink.c
examples_own_sink_LDADD = libevpipe.la

examples_chatbot_chatbot_SOURCES = examples/chatbot/main.c $(CHATBOT_SOURCES)
examples_chatbot_chatbot_LDADD = libevpipe.la

if WITH_TESTS
check_PROGRAMS += examples/test-own-pipeline examples/test-own-seeds
TESTS += examples/test-own-pipeline examples/test-own-seeds
examples_test_own_pipeline_SOURCES = examples/test-own-pipeline.c
examples_test_own_pipeline_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
examples_test_own_pipeline_LDADD = libevpipe-testbroker.la libevpipe.la $(CMOCKA_LIBS)
examples_test_own_seeds_SOURCES = examples/test-own-seeds.c
examples_test_own_seeds_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
examples_test_own_seeds_LDADD = libevpipe-testbroker.la libevpipe.la $(CMOCKA_LIBS)
endif
