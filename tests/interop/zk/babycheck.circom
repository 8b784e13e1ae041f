pragma circom 2.1.6;
include "circomlib/circuits/babyjub.circom";
component main = BabyCheck();
