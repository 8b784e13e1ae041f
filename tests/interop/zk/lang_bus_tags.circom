pragma circom 2.2.0;
bus P(n) { signal {bin} x; signal y[n]; }
bus Q() { P(2) {tg} a[2]; signal {m} z; }
template Bin() { signal input {bin} a; signal output o; o <== a + 1; }
template Sized() { signal input {n} a; signal input b[a.n]; signal output o[a.n]; for (var i = 0; i < a.n; i++) o[i] <== b[i] * a; }
template Take() { input Q() q; signal output o; o <== q.a[1].y[0] * q.z.m + q.a.tg; }
template Pair() { input P(2) p[2]; signal output o; o <== p[0].x + p[1].y[1]; }
template Main() {
  signal input x; signal input v[3]; signal output o[3]; signal output r; signal output s;
  Q() q; q.z.m = 9; q.a.tg = 4;
  for (var k = 0; k < 2; k++) { q.a[k].x <== x; q.a[k].y <== [k, v[k]]; }
  q.z <== v[2];
  signal {n} size; size.n = 3; size <== x;
  component sized = Sized(); sized.a <== size; sized.b <== v; o <== sized.o;
  signal {bin} bits[2]; bits <== [x, v[0]]; signal copy[2]; copy[0] <== bits[0]; copy[1] <== bits[1];
  signal t <== Take()(q); signal b <== Bin()(copy[1]); r <== t + b ** 2 + 0 * x;
  s <== Pair()([q.a[0], q.a[1]]);
}
component main {public [x, x]} = Main();
