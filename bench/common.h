/*
 * common.h: what the benchmark programs share: times, the end with a message, numbers of the command line, signals.
 */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <signal.h>
#include <stdint.h>

/* Monotonic nanoseconds, the same for all processes of the machine. */
uint64_t now_ns(void);

/* User and system time of this process, of all its threads. */
double cpu_seconds(void);

/* Print "PROGRAM: message" and exit with 1. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A whole number of an option's argument; anything else ends the program with 64. */
long number_of(const char *option, const char *text, long min, long max);

/* From SIGINT or SIGTERM on. */
extern volatile sig_atomic_t stopping;
void catch_signals(void);

#endif
