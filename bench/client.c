#include "client.h"

#include <string.h>

#include "common.h"

void conf_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char error[256];
	if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK)
		die("%s", error);
}

void conf_set_pair(rd_kafka_conf_t *conf, const char *pair)
{
	char        name[128];
	const char *equals = strchr(pair, '=');
	if (!equals || (size_t)(equals - pair) >= sizeof name)
		die("%s: give NAME=VALUE, a property of librdkafka", pair);
	memcpy(name, pair, (size_t)(equals - pair));
	name[equals - pair] = '\0';
	conf_set(conf, name, equals + 1);
}

rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
	char        error[256];
	rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);
	if (!client)
		die("%s", error);
	return client;
}
