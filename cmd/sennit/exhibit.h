/* SPDX-License-Identifier: Apache-2.0 */
/* sennit/exhibit.h - programs that show something: what they print is a card on the board.
 *
 * An exhibit prints one JSON object a line; the newest is its card. One that has `every_ns` runs,
 * ends and runs again; one without is to run as long as the node. Where a program it needs is not
 * installed the card says so and how to install it; it is looked for again, so the card comes alive
 * without a restart. */
#pragma once
#include "core/buf.h"
#include "core/str.h"
#include "fiber/os.h"
#include "fiber/sync.h"
#include "wire/json.h"

#define SN_EXHIBITS_MAX 32
#define SN_EXHIBIT_ARGS_MAX 64
#define SN_EXHIBIT_NEEDS_MAX 8
#define SN_EXHIBIT_FACTS_MAX 12
#define SN_EXHIBIT_LINE_MAX (16u << 10)
/* Lines are taken at most this often; a program that prints faster waits in its write. */
#define SN_EXHIBIT_LINE_GAP_NS (20 * SN_MS)
/* Of standard error; beyond it the log begins anew. */
#define SN_EXHIBIT_LOG_MAX (1u << 20)
#define SN_EXHIBIT_ERROR_MAX 240u
#define SN_EXHIBIT_LOOK_NS (3 * SN_SEC) /* between looks for what is missing */

enum sn_exhibit_state {
    SN_EXHIBIT_WAITING, /* for its first run */
    SN_EXHIBIT_MISSING, /* a program that it needs */
    SN_EXHIBIT_RUNNING,
    SN_EXHIBIT_DONE,
    SN_EXHIBIT_FAILED,
};
struct sn_exhibit_need {
    struct sn_str program, install; /* the command that installs it; may be empty */
};
struct sn_exhibit {
    const char *name, *title;
    const char *const *argv, *const *env; /* NULL-ended; env NULL = inherit */
    const struct sn_exhibit_need *needs;
    size_t n_needs;
    int64_t every_ns;   /* from the end of a run to the next; 0 = one run, for as long as we run */
    int64_t timeout_ns; /* of a run; for an endless one, of its silence */
    int log_fd;         /* gets standard error; -1 = nowhere */

    /* Below: exhibit.c's, under the set's lock. */
    enum sn_exhibit_state state;
    uint32_t missing; /* bit i: needs[i] */
    unsigned runs;
    int pid;
    int64_t began_ns, card_ns, took_ns; /* of this run, of the newest card; from start to it */
    struct sn_buf card;                 /* JSON */
    char error[SN_EXHIBIT_ERROR_MAX];
};
struct sn_exhibits {
    struct sn_exhibit *list;
    size_t n;
    const char *path; /* where programs are looked for, as in PATH */
    int64_t grace_ns; /* from SIGTERM to SIGKILL */
    void (*on_event)(void *arg, const char *level, const char *text);
    void *arg;
    struct sn_mutex lock;
};

/* sn_exhibits_run - runs them all until the calling fiber's scope is cancelled; then none of their
 * processes is left. Returns SN_OK, or the failure to start a fiber. Suspends. */
int sn_exhibits_run(struct sn_exhibits *set) SN_MUST_CHECK;
/* sn_exhibits_json - writes the array of cards. Errors stick in the writer's buffer. Suspends for
 * the lock. */
void sn_exhibits_json(struct sn_exhibits *set, struct sn_jsonw *w);
/* sn_exhibits_done - frees the cards; nothing runs any more. */
void sn_exhibits_done(struct sn_exhibits *set);

/* sn_exhibit_card - reads a line that `name` printed and appends it to `out`, JSON in the board's
 * own spelling. Returns 0; SN_E_SYNTAX, SN_E_INVALID_ARGUMENT with line, column and member in the
 * diagnostic; SN_E_NOMEM. Does not suspend. */
int sn_exhibit_card(const char *name, struct sn_str line, struct sn_buf *out) SN_MUST_CHECK;
/* sn_exhibit_find - the file of `program` in a PATH. Returns 0; SN_E_NOT_FOUND; SN_E_TOO_LARGE
 * beyond cap bytes. Does not suspend. */
int sn_exhibit_find(const char *path, struct sn_str program, char *out, size_t cap) SN_MUST_CHECK;
