pragma circom 2.1.6;
include "circomlib/circuits/eddsaposeidon.circom";
component main = EdDSAPoseidonVerifier();
