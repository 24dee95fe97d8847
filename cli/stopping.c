#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli.h"

static void stop_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
}

int stop_open(void)
{
	sigset_t set;
	stop_signals(&set);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		complain("signals cannot be waited for: %s", strerror(errno));
	return fd;
}

int stop_wait(int fd, int timeout_ms)
{
	struct pollfd           look = {.fd = fd, .events = POLLIN};
	struct signalfd_siginfo info;
	if (poll(&look, 1, timeout_ms) <= 0)
		return 0;
	return read(fd, &info, sizeof info) == (ssize_t)sizeof info;
}

void stop_restore(void)
{
	sigset_t set;
	stop_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}
