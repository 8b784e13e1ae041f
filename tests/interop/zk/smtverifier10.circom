pragma circom 2.1.6;
include "circomlib/circuits/smt/smtverifier.circom";
component main = SMTVerifier(10);
