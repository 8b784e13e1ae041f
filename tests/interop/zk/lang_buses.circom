pragma circom 2.2.0;
bus P(n) { signal x; signal y[n]; }
bus Q() { P(2) a[2]; signal z; }
template T() { input Q() q; output P(2) {tg} p; p.x <== q.a[0].x; p.y <== q.a[1].y; signal input {maxb} w; signal output r; r <== w * w.maxb; Q() inner; inner <== q; }
template Main() { input Q() q; output P(2) p; signal input i; signal {maxb} w; w.maxb = 4; w <== i; 
  component t = T(); t.q <== q; t.w <== w; p <== t.p; (_, _) <== T()(q, w); var k = 3; signal output vv <== k; }
component main = Main();
