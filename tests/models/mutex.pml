/* SPDX-License-Identifier: Apache-2.0 */
/* Model of the mutex in base/fiber/sync.c: three fibers lock and unlock twice, one of their waits may be
 * cancelled. The word's spin bit makes queue and state one atomic step, which is how steps are cut
 * here; the fast paths are separate compare-and-swaps between them.
 * Claimed: mutual exclusion, and no sleeper is left when the mutex is free (no invalid end state).
 * Run: tests/models/run.sh */
#define N 3
bool locked, woken_bit;
chan q = [N] of { byte };   /* waiting fibers, in order */
bool open[N];               /* its wait may be claimed */
byte told[N];               /* 0 nothing yet, 1 retry, 2 handed over, 3 cancelled */
byte inside;

inline leave_queue(f) { if :: q ?? [eval(f)] -> q ?? eval(f) :: else fi }

inline lock_it(f, ok) {
    ok = false; woken = false;
    do
    :: atomic { !locked -> locked = true; if :: woken -> woken_bit = false :: else fi; ok = true }; break
    :: atomic { locked ->
           if :: woken -> woken_bit = false :: else fi;
           open[f] = true; told[f] = 0;
           /* One that was woken and lost the race keeps its place: it goes to the front. */
           if :: woken && len(q) > 0 -> goto_front(f) :: else -> q ! f fi };
       (told[f] != 0);
       if
       :: told[f] == 1 -> woken = true
       :: told[f] == 2 -> ok = true; break
       :: told[f] == 3 -> atomic { leave_queue(f) }; break
       fi
    od
}
inline goto_front(f) {
    if
    :: len(q) == 1 -> q ? x; q ! f; q ! x
    :: len(q) == 2 -> q ? x; q ? y; q ! f; q ! x; q ! y
    fi
}
inline unlock_it() {
    if
    :: atomic { len(q) == 0 -> assert(locked); locked = false }
    :: atomic { len(q) > 0 ->
           assert(locked);
           if
           :: woken_bit -> locked = false
           :: else ->
               w = N;
               do
               :: len(q) > 0 -> q ? x;
                   if :: open[x] -> open[x] = false; w = x; break :: else fi
               :: else -> break
               od;
               if
               :: w == N -> locked = false
               :: else ->
                   if /* how long it has waited decides; both must be right */
                   :: told[w] = 2
                   :: locked = false; woken_bit = true; told[w] = 1
                   fi
               fi
           fi }
    fi
}
proctype fiber(byte f) {
    byte i, x, y, w; bool ok, woken;
    do
    :: i < 2 ->
        lock_it(f, ok);
        if
        :: ok -> inside++; assert(inside == 1); inside--; unlock_it()
        :: else
        fi;
        i++
    :: else -> break
    od
}
/* Cancels one wait of fiber 0, whenever it likes. */
proctype canceller() {
    if
    :: atomic { open[0] -> open[0] = false; told[0] = 3 }
    :: true
    fi
}
init {
    atomic { run fiber(0); run fiber(1); run fiber(2); run canceller() };
    (_nr_pr == 1);
    assert(!locked && !woken_bit && len(q) == 0)
}
