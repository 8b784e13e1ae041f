// SPDX-License-Identifier: Apache-2.0
// One of the members of a tree knows a secret: whose it is stays unsaid.
pragma circom 2.1.0;
include "constants.circom"; // made from the Grain LFSR: ROUND(i, j), MIX(i, j)

template Fifth() {
    signal input in;
    signal output out;
    signal square <== in * in;
    signal fourth <== square * square;
    out <== fourth * in;
}

// Poseidon of two elements: 4 full rounds, 57 partial ones, 4 full ones. Sums need no constraint, so
// the state between two powers is only an expression.
template Hash() {
    signal input left;
    signal input right;
    signal output out;
    component power[65][3];
    var state[3] = [0, left, right];
    for (var r = 0; r < 65; r++) {
        for (var i = 0; i < 3; i++) {
            state[i] += ROUND(r, i);
            if (i == 0 || r < 4 || r >= 61) {
                power[r][i] = Fifth();
                power[r][i].in <== state[i];
                state[i] = power[r][i].out;
            }
        }
        var next[3];
        for (var i = 0; i < 3; i++) {
            for (var j = 0; j < 3; j++) next[i] += MIX(i, j) * state[j];
        }
        state = next;
    }
    out <== state[0];
}

template Member(depth) {
    signal input secret;
    signal input sibling[depth];
    signal input side[depth]; // 1: the sibling is on the left
    signal output root;
    component hash[depth + 1];
    hash[0] = Hash();
    hash[0].left <== secret;
    hash[0].right <== 0;
    signal moved[depth];
    for (var i = 0; i < depth; i++) {
        side[i] * (side[i] - 1) === 0;
        moved[i] <== side[i] * (sibling[i] - hash[i].out);
        hash[i + 1] = Hash();
        hash[i + 1].left <== hash[i].out + moved[i];
        hash[i + 1].right <== sibling[i] - moved[i];
    }
    root <== hash[depth].out;
}

component main = Member(10);
