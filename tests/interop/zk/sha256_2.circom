pragma circom 2.1.6;
include "circomlib/circuits/sha256/sha256_2.circom";
component main = Sha256_2();
