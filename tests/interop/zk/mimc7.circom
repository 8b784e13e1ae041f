pragma circom 2.1.6;
include "circomlib/circuits/mimc.circom";
component main = MiMC7(91);
