/*
 * A worker that posts over TLS: whom it trusts, what becomes of the events where it does not, what it says then.
 */
#include "test.h"

#include <evpipe-testbroker.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <unistd.h>

#define DEADLINE_MS 60000

/* ---- certificates: an authority, one for this host, one for another, one for a client ---- */

static char directory[] = "/tmp/evpipe-test-https-XXXXXX";

static char *path_of(const char *file)
{
	static char paths[4][128];
	static int  next;
	char       *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", directory, file);
	return path;
}

static char *read_file(const char *file)
{
	static char texts[3][4096];
	static int  next;
	char       *text = texts[next++ % 3];
	FILE       *stream = fopen(path_of(file), "re");
	assert_non_null(stream);
	text[fread(text, 1, sizeof texts[0] - 1, stream)] = '\0';
	fclose(stream);
	return text;
}

static int run(const char *arguments)
{
	char command[1024];
	snprintf(command, sizeof command, "cd %s && openssl req -config req.conf -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 %s 2>log",
	         directory, arguments);
	return system(command);
}

static int make_certificates(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	FILE *conf = fopen(path_of("req.conf"), "we");
	if (!conf)
		return -1;
	fputs("[req]\ndistinguished_name = name\n[name]\n", conf);
	fclose(conf);
	return run("-subj /CN=authority -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE") ||
	       run("-CA ca.pem -CAkey ca.key -subj /CN=here -keyout here.key -out here.pem -addext subjectAltName=IP:127.0.0.1") ||
	       run("-CA ca.pem -CAkey ca.key -subj /CN=there -keyout there.key -out there.pem -addext subjectAltName=DNS:there.example") ||
	       run("-CA ca.pem -CAkey ca.key -subj /CN=client -keyout client.key -out client.pem");
}

static int remove_certificates(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", directory);
	return system(command);
}

/* ---- a server ---- */

struct server {
	struct MHD_Daemon *daemon;
	int                asks; /* for a client's certificate */
	atomic_uint        requests;
};

static int has_certificate(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned                        count = 0, status = 1;
	gnutls_session_t                session = info->tls_session;
	return gnutls_certificate_get_peers(session, &count) && count &&
	       gnutls_certificate_verify_peers2(session, &status) == GNUTLS_E_SUCCESS && !status;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
                                  const char *data, size_t *len, void **request)
{
	struct server *server = ctx;
	static char    begun;
	(void)url, (void)method, (void)version, (void)data;
	if (!*request || *len) {
		*request = &begun;
		*len = 0;
		return MHD_YES;
	}
	int                  refuses = server->asks && !has_certificate(connection);
	struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result      result = MHD_queue_response(connection, refuses ? 403 : 200, response);
	MHD_destroy_response(response);
	server->requests++;
	return result;
}

static void serve(struct server *server, const char *name, int asks)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char               certificate[32], key[32];

	snprintf(certificate, sizeof certificate, "%s.pem", name);
	snprintf(key, sizeof key, "%s.key", name);
	server->asks = asks;
	server->requests = 0;
	server->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR,
	                                  &address, MHD_OPTION_HTTPS_MEM_CERT, read_file(certificate), MHD_OPTION_HTTPS_MEM_KEY,
	                                  read_file(key), asks ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, read_file("ca.pem"),
	                                  MHD_OPTION_END);
	assert_non_null(server->daemon);
}

/* ---- a pipeline that posts one event there ---- */

struct outcome {
	evpipe_stats stats;
	char         log[16384];
};

static void keep(void *ctx, evpipe_log_level level, const char *line)
{
	struct outcome *outcome = ctx;
	size_t          len = strlen(outcome->log);
	snprintf(outcome->log + len, sizeof outcome->log - len, "%d %s\n", (int)level, line);
}

static int is_over(const evpipe_stats *stats)
{
	return stats->delivered || stats->retried[0] || stats->dead_lettered[EVPIPE_REASON_REJECTED];
}

/* name, value, ..., NULL. */
static void post_one(struct server *server, const char *const settings[], struct outcome *outcome)
{
	evpipe_testbroker *broker;
	evpipe_config     *config, *sending;
	evpipe_producer   *producer;
	evpipe_worker     *worker;
	evpipe_event       event = EVPIPE_EVENT_INIT;
	evpipe_error       error = {0};
	char               url[64];

	*outcome = (struct outcome){.stats = EVPIPE_STATS_INIT};
	snprintf(url, sizeof url, "https://127.0.0.1:%u/{destination}",
	         (unsigned)MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	assert_int_equal(evpipe_testbroker_new_realtime(&broker), EVPIPE_OK);
	assert_int_equal(evpipe_config_new(&config), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_attach(broker, config), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(config, "retry.delays", "1h", &error), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(config, "retry.quick_max", "0", &error), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(config, "sink.url", url, &error), EVPIPE_OK);
	for (; *settings; settings += 2)
		if (evpipe_config_set(config, settings[0], settings[1], &error) != EVPIPE_OK)
			fail_msg("%s", error.text);
	assert_int_equal(evpipe_config_copy(&sending, config), EVPIPE_OK);
	evpipe_config_on_log(config, keep, outcome);
	if (evpipe_producer_new(&producer, sending, &error) != EVPIPE_OK || evpipe_worker_new(&worker, config, NULL, &error) != EVPIPE_OK)
		fail_msg("%s", error.text);
	event.destination = "ACME";
	event.data = "{}";
	event.data_len = 2;
	assert_int_equal(evpipe_emit(producer, &event), EVPIPE_OK);
	for (int waited_ms = 0; !is_over(&outcome->stats); waited_ms += 10) {
		assert_true(waited_ms < DEADLINE_MS);
		evpipe_worker_step(worker, 10);
		evpipe_worker_stats(worker, &outcome->stats);
	}
	evpipe_worker_free(worker);
	evpipe_producer_free(producer);
	evpipe_config_free(sending);
	evpipe_config_free(config);
	evpipe_testbroker_free(broker);
	MHD_stop_daemon(server->daemon);
}

/* It is the destination's fault, the event waits, and somebody is told why. */
static void assert_refused(const struct outcome *outcome, const char *why)
{
	assert_int_equal(outcome->stats.parked, 1);
	assert_int_equal(outcome->stats.delivered, 0);
	const char *told = strstr(outcome->log, "0 event=destination destination=ACME state=open");
	if (!told || !strstr(told, why))
		fail_msg("not told: %s, but:\n%s", why, outcome->log);
}

/* ---- tests ---- */

static void test_https__an_authority_of_ones_own_is_trusted(void **state)
{
	struct server  server;
	struct outcome outcome;
	(void)state;
	serve(&server, "here", 0);
	post_one(&server, (const char *const[]){"sink.ca_file", path_of("ca.pem"), NULL}, &outcome);
	assert_int_equal(outcome.stats.delivered, 1);
	assert_int_equal(server.requests, 1);
	assert_null(strstr(outcome.log, "insecure"));
}

static void test_https__a_certificate_nobody_vouches_for_is_refused(void **state)
{
	struct server  server;
	struct outcome outcome;
	(void)state;
	serve(&server, "here", 0);
	post_one(&server, (const char *const[]){NULL}, &outcome);
	assert_refused(&outcome, "certificate");
	assert_int_equal(server.requests, 0);
}

static void test_https__a_certificate_of_another_host_is_refused(void **state)
{
	struct server  server;
	struct outcome outcome;
	(void)state;
	serve(&server, "there", 0);
	post_one(&server, (const char *const[]){"sink.ca_file", path_of("ca.pem"), NULL}, &outcome);
	assert_refused(&outcome, "127.0.0.1");
	assert_refused(&outcome, "certificate");
	assert_int_equal(server.requests, 0);
}

static void test_https__skipping_the_check_works_and_is_told(void **state)
{
	struct server  server;
	struct outcome outcome;
	(void)state;
	serve(&server, "there", 0);
	post_one(&server, (const char *const[]){"destination.ACME.sink.insecure_skip_verify", "yes", NULL}, &outcome);
	assert_int_equal(outcome.stats.delivered, 1);
	assert_int_equal(server.requests, 1);
	assert_non_null(strstr(outcome.log, "1 event=insecure_skip_verify destination=ACME"));
}

static void test_https__a_client_shows_its_certificate(void **state)
{
	struct server  server;
	struct outcome outcome;
	(void)state;
	serve(&server, "here", 1);
	post_one(&server,
	         (const char *const[]){"sink.ca_file", path_of("ca.pem"), "sink.client_certificate", path_of("client.pem"), "sink.client_key",
	                               path_of("client.key"), NULL},
	         &outcome);
	assert_int_equal(outcome.stats.delivered, 1);
	serve(&server, "here", 1);
	post_one(&server, (const char *const[]){"sink.ca_file", path_of("ca.pem"), NULL}, &outcome);
	assert_refused(&outcome, "HTTP 403");
}

static void test_https__a_file_that_is_not_there_is_named(void **state)
{
	struct server  server;
	struct outcome outcome;
	(void)state;
	serve(&server, "here", 0);
	post_one(&server, (const char *const[]){"destination.ACME.sink.ca_file", path_of("nothing.pem"), NULL}, &outcome);
	assert_refused(&outcome, path_of("nothing.pem"));
	serve(&server, "here", 0);
	post_one(&server,
	         (const char *const[]){"sink.ca_file", path_of("ca.pem"), "destination.ACME.sink.client_certificate", path_of("nothing.pem"),
	                               "destination.ACME.sink.client_key", path_of("client.key"), NULL},
	         &outcome);
	assert_refused(&outcome, path_of("nothing.pem"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_https__an_authority_of_ones_own_is_trusted),
		cmocka_unit_test(test_https__a_certificate_nobody_vouches_for_is_refused),
		cmocka_unit_test(test_https__a_certificate_of_another_host_is_refused),
		cmocka_unit_test(test_https__skipping_the_check_works_and_is_told),
		cmocka_unit_test(test_https__a_client_shows_its_certificate),
		cmocka_unit_test(test_https__a_file_that_is_not_there_is_named),
	};
	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES || system("openssl version >/dev/null 2>&1") != 0) {
		printf("SKIP: it needs the command openssl, and a libmicrohttpd with TLS\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
