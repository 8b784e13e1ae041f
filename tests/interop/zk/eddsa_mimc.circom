pragma circom 2.1.6;
include "circomlib/circuits/eddsamimc.circom";
component main = EdDSAMiMCVerifier();
