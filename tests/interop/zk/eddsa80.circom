pragma circom 2.1.6;
include "circomlib/circuits/eddsa.circom";
component main = EdDSAVerifier(80);
