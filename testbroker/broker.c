#include <evpipe-testbroker.h>

void evpipe_testbroker_free(evpipe_testbroker *broker)
{
	(void)broker;
}
