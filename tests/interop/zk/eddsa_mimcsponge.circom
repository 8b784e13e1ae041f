pragma circom 2.1.6;
include "circomlib/circuits/eddsamimcsponge.circom";
component main = EdDSAMiMCSpongeVerifier();
