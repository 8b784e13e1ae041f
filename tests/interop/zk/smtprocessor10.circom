pragma circom 2.1.6;
include "circomlib/circuits/smt/smtprocessor.circom";
component main = SMTProcessor(10);
