/* SPDX-License-Identifier: Apache-2.0 */
/* Model of base/fiber/chan.c: two fibers select over two unbuffered channels, one offering to send, the
 * other to receive, on both; a third sends on channel 0 with a time limit. Locks are atomic steps.
 * Claimed: no value is delivered twice or lost (a send is reported exactly when its value was
 * received), a time-out never coincides with a delivery, and two selects that could meet never both
 * sleep (no invalid end state).
 * Run: tests/models/run.sh */
#define FIBERS 3
#define CHANS 2
#define NONE 255
#define SENDER 0
#define RECEIVER 1
#define TIMED 2

/* The wait word: a ticket that is open, or claimed by somebody (who then finishes it). */
byte ticket[FIBERS];
bool open[FIBERS];
byte code[FIBERS];     /* what the finisher told: a channel; NONE + timed out is `expired` */
bool finished[FIBERS];
bool expired[FIBERS];
/* A waiter per fiber and channel, with the ticket it was queued under. */
bool queued[12];       /* direction, fiber, channel */
byte qticket[6];
bool lock[CHANS];
byte delivered;        /* values that arrived at the receiver */
byte reported;         /* sends reported as done */

#define SENDQ 0
#define RECVQ 1
#define W(f, c) ((f) * CHANS + (c))
#define Q(dir, f, c) ((dir) * 6 + W(f, c))
inline acquire(c) { atomic { !lock[c] -> lock[c] = true } }
inline release(c) { lock[c] = false }
/* One compare-and-swap. */
inline claim(f, t, got) {
    atomic { got = (open[f] && ticket[f] == t); if :: got -> open[f] = false :: else fi }
}
inline begin(f) { atomic { ticket[f]++; open[f] = true; finished[f] = false; expired[f] = false } }

/* The peer's side of a match on channel c: claim any waiter of q, unlinking stale ones. */
inline claim_peer(q, self, c, peer) {
    peer = NONE; p = 0;
    do
    :: p < FIBERS && p != self && queued[Q(q, p, c)] ->
        claim(p, qticket[W(p, c)], got);
        queued[Q(q, p, c)] = false;
        if :: got -> peer = p; break :: else fi;
        p++
    :: p < FIBERS && (p == self || !queued[Q(q, p, c)]) -> p++
    :: p >= FIBERS -> break
    od
}

inline others(q, self, c, yes) {
    yes = (self != 0 && queued[Q(q, 0, c)]) || (self != 1 && queued[Q(q, 1, c)]) || (self != 2 && queued[Q(q, 2, c)])
}

/* select over both channels in one direction; myq is the queue joined, theirs the one served */
inline do_select(self, myq, theirs, limit, result) {
    do
    :: true ->
        /* poll */
        c = 0; result = NONE; retry = false;
        do
        :: c < limit ->
            acquire(c); claim_peer(theirs, self, c, peer); release(c);
            if
            :: peer != NONE -> code[peer] = c; result = c; finished[peer] = true; break
            :: else -> c++
            fi
        :: else -> break
        od;
        if :: result != NONE -> break :: else fi;
        begin(self); c = 0;
        do
        :: c < limit ->
            acquire(c);
            others(theirs, self, c, ready);
            if
            :: !ready ->
                queued[Q(myq, self, c)] = true; qticket[W(self, c)] = ticket[self];
                release(c); c++
            :: else ->
                claim(self, ticket[self], got); /* abandon */
                if
                :: !got -> release(c); break /* claimed by a peer: park returns at once */
                :: else ->
                    claim_peer(theirs, self, c, peer); release(c);
                    if
                    :: peer != NONE -> code[peer] = c; result = c; finished[peer] = true
                    :: else -> retry = true /* the waiting peers were all stale */
                    fi;
                    break
                fi
            fi
        :: else -> break
        od;
        if
        :: result == NONE && !retry ->
            (finished[self]); /* park */
            if :: expired[self] -> skip :: else -> result = code[self] fi
        :: else
        fi;
        d = 0;
        do
        :: d < limit -> acquire(d); queued[Q(myq, self, d)] = false; release(d); d++
        :: else -> break
        od;
        if :: retry -> skip :: else -> break fi
    od
}

proctype sender() {
    byte c, d, p, peer, result; bool got, ready, retry;
    do_select(SENDER, SENDQ, RECVQ, CHANS, result);
    assert(result != NONE);
    reported++
}
proctype receiver() {
    byte c, d, p, peer, result, n; bool got, ready, retry;
    do
    :: n < 2 -> do_select(RECEIVER, RECVQ, SENDQ, CHANS, result);
        /* The timed sender may have given up: then the second value never comes. */
        if :: expired[RECEIVER] -> break :: else -> delivered++; n++ fi
    :: else -> break
    od
}
proctype timed() {
    byte c, d, p, peer, result; bool got, ready, retry;
    do_select(TIMED, SENDQ, RECVQ, 1, result);
    if :: result != NONE -> reported++; assert(!expired[TIMED]) :: else -> assert(expired[TIMED]) fi
}
/* The clock: may expire an open wait of the timed sender at any moment, as any waker would. */
proctype clock() {
    bool got;
    do
    :: open[TIMED] ->
        claim(TIMED, ticket[TIMED], got);
        if :: got -> expired[TIMED] = true; finished[TIMED] = true :: else fi
    :: timeout -> /* nothing else can move: the receiver stops waiting for a value that will not come */
        claim(RECEIVER, ticket[RECEIVER], got);
        if :: got -> expired[RECEIVER] = true; finished[RECEIVER] = true :: else fi;
        break
    od
}
init {
    atomic { run sender(); run receiver(); run timed(); run clock() };
    (_nr_pr == 1);
    assert(delivered == reported);
    assert(delivered >= 1)
}
