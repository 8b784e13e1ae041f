pragma circom 2.1.6;
template M() { signal input x; signal input v[4]; signal output y; signal output z; signal output w[3];
  var s = 0; var t[3] = [1,2,3];
  if (x > 4) { y <-- 3; s = x; t[1] = 7; } else { y <-- 4; s = 1; }
  z <-- s; var i = 0; var acc = 0;
  while (i < x) { acc += v[i % 4]; i++; }
  w[0] <-- acc; w[1] <-- v[x % 4]; w[2] <-- t[1] ;
  var q = x > 3 ? v[0] : v[1]; log(q);
  for (var k = 0; k < 2; k++) { if (v[k] == k) { s += k; } }
  log("s=", s, t[1]);
  assert(s > 0);
}
component main = M();
