/*
 * deadletters.h: which events are in the dead-letter topic of a test broker.
 */
#ifndef EVPIPE_CLI_DEADLETTERS_H
#define EVPIPE_CLI_DEADLETTERS_H

#include <evpipe-testbroker.h>

#include "account.h"

/* Tell the account of each. While nothing else uses the broker. */
void deadletters_count(evpipe_testbroker *broker, const char *topic, struct account *account);

#endif
