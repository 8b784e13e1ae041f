pragma circom 2.1.6;
include "circomlib/circuits/pedersen.circom";
component main = Pedersen(256);
