pragma circom 2.1.6;
template Bits(n) { signal input x; signal output {binary} b[n]; for (var i=0;i<n;i++) { b[i] <-- (x>>i)&1; b[i]*(b[i]-1) === 0; } }
template And() { signal input {binary} a; signal input {binary} b; signal output {binary} o; o <== a*b; }
template X() { signal input a; signal output o; o <== a; }
template Main() { signal input x; signal output o; signal output p[3]; component b = Bits(3); b.x <== x; 
  (o) <== And()(b.b[0], b.b[1]); p <== b.b; signal e[2][2]; e <-- [[1,2],[3,4]]; var z[2] = [x, x+1]; component xx[2]; for (var i=0;i<2;i++) xx[i] = X(); xx[0].a <== z[1]; xx[1].a <== e[1][0]*x; signal u[2]; u[0] <== X()(a <== x*x); u[1] <== parallel X()(x); var (a, c) = (1,2); (a,c) = (c,a);  log("a", a, "c", c, x); signal (q, r[2]); q <== a; r <== [1,c]; }
component main {public [x]} = Main();
