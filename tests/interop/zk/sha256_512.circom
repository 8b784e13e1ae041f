pragma circom 2.1.6;
include "circomlib/circuits/sha256/sha256.circom";
component main = Sha256(512);
