/* Steps the wall clock of the processes that preload this, by the nanoseconds in the file $CHAOS_CLOCK (an int64).
 *
 * Only what tells the time of day, or waits until one, is shifted; what counts from the start of the machine is not.
 * Waits are cut into slices, so that one that is under way sees a step as the kernel's would. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define SLICE (SECOND / 20)
#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static volatile int64_t *step;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CHAOS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *found = mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED) step = found;
}

static int64_t offset(void) { return step ? *step : 0; }

static int64_t count(const struct timespec *at) { return at->tv_sec * SECOND + at->tv_nsec; }

static struct timespec moment(int64_t at) {
    if (at < 0) at = 0;
    return (struct timespec){at / SECOND, at % SECOND};
}

static int64_t now(void) {
    static int (*real)(clockid_t, struct timespec *);
    struct timespec at;
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    real(CLOCK_REALTIME, &at);
    return count(&at);
}

/* The end of the next slice of a wait until `at`, in the kernel's time. */
static struct timespec slice(const struct timespec *at) {
    int64_t end = count(at) - offset(), next = now() + SLICE;
    return moment(end < next ? end : next);
}

static int is_past(const struct timespec *at) { return now() + offset() >= count(at); }

int clock_gettime(clockid_t clock, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) *at = moment(count(at) + offset());
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    (void)zone;
    int64_t here = now() + offset();
    *at = (struct timeval){here / SECOND, here % SECOND / 1000};
    return 0;
}

time_t time(time_t *at) {
    time_t here = (now() + offset()) / SECOND;
    if (at) *at = here;
    return here;
}

int timespec_get(struct timespec *at, int base) {
    if (base != TIME_UTC) return 0;
    *at = moment(now() + offset());
    return base;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict at) {
    REAL(pthread_cond_timedwait);
    if (cond->__data.__wrefs & 2) return real(cond, mutex, at); /* glibc: this one counts by CLOCK_MONOTONIC */
    struct timespec until = slice(at);
    int status = real(cond, mutex, &until);
    return status == ETIMEDOUT && !is_past(at) ? 0 : status; /* a spurious wake-up, as any wait may have */
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict at) {
    REAL(pthread_mutex_timedlock);
    int status;
    do {
        struct timespec until = slice(at);
        status = real(mutex, &until);
    } while (status == ETIMEDOUT && !is_past(at));
    return status;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict at) {
    REAL(sem_timedwait);
    int failed;
    do {
        struct timespec until = slice(at);
        failed = real(semaphore, &until);
    } while (failed && errno == ETIMEDOUT && !is_past(at));
    return failed;
}

long syscall(long number, ...) {
    REAL(syscall);
    long words[6];
    va_list given;
    va_start(given, number);
    for (int i = 0; i < 6; i++) words[i] = va_arg(given, long);
    va_end(given);
    int waits = number == SYS_futex && (words[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET && words[3];
    if (!waits || !(words[1] & FUTEX_CLOCK_REALTIME))
        return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
    const struct timespec *at = (const struct timespec *)words[3];
    struct timespec until = slice(at);
    long failed = real(number, words[0], words[1], words[2], (long)&until, words[4], words[5]);
    if (failed && errno == ETIMEDOUT && !is_past(at)) errno = EINTR;
    return failed;
}
