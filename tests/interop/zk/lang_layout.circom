pragma circom 2.1.6;
template Sub(n) { signal input x; signal output y[2]; signal m; m <== x*x; y[0] <== m; y[1] <== m+n; }
template Main() {
  signal input b; signal input a[2]; signal inter; signal output o; signal input pr; signal output o2[2][2];
  component d; component c[2]; component e = Sub(7);
  c[1] = Sub(1);
  d = Sub(2); c[0] = Sub(3);
  c[0].x <== a[0]; c[1].x <== a[1]; d.x <== pr; e.x <== b; inter <== b*pr;
  o <== inter; o2[0][0] <== 5; o2[0][1] <== a[0]; o2[1][0] <== a[0]-a[0]; o2[1][1] <== 3*4*a[0]*a[1] + inter;
}
component main {public [pr,a]} = Main();
