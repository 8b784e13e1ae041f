pragma circom 2.1.6;
include "circomlib/circuits/escalarmulfix.circom";
template Main() {
    signal input e[253];
    signal output out[2];
    var base8[2] = [5299619240641551281634865583518297030282874472190772894086521144482721001553,
                    16950150798460657717958625567821834550301663161624707787222815936182638968203];
    out <== EscalarMulFix(253, base8)(e);
}
component main = Main();
