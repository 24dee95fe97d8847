/*
 * client.h: librdkafka's properties and clients, where any error ends the program.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <librdkafka/rdkafka.h>

void conf_set(rd_kafka_conf_t *conf, const char *name, const char *value);
void conf_set_pair(rd_kafka_conf_t *conf, const char *pair); /* "name=value" */

/* Make a client. Takes the configuration over. */
rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf);

#endif
