pragma circom 2.1.6;
include "circomlib/circuits/bitify.circom";
component main = Num2Bits_strict();
