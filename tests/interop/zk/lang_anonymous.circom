pragma circom 2.1.6;
template X() { signal input {bin} a; signal output o; o <== a; }
template Y() { signal input a; signal output o; o <== a; }
template Main() { signal input x; signal {bin} b; b <== x; signal c; c <== b; signal o[2]; o[0] <== X()(b); o[1] <== X()(c); signal q[3]; for (var i=0;i<3;i++) { q[i] <== Y()(x); } component z[2][2]; for (var i=0;i<2;i++) for (var j=0;j<2;j++) { z[i][j] = Y(); z[i][j].a <== Y()(q[i]); } }
component main = Main();
