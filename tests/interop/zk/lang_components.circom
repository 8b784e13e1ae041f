pragma circom 2.1.6;
template Sub(n) { signal input x; signal output y; y <== x*x+n; }
template Z() { signal output q; q <== 3; }
template Main() {
  signal input i; signal output o;
  component z = Z();
  component b = Sub(1); component a = Sub(1); component c[2][2]; component y = Z();
  for (var k=0;k<2;k++) for (var j=0;j<2;j++) { if (k!=1||j!=0) c[k][j] = Sub(k); }
  c[1][1].x <== i; a.x <== i; b.x <== a.y; c[0][0].x <== i; c[0][1].x <== i;
  o <== Sub(4)(i);
  component aa = Z();
}
component main = Main();
