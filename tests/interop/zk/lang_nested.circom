pragma circom 2.1.6;
template A(n) { signal input x; signal output y; component s; if (n > 0) { s = A(n-1); s.x <== x; y <== s.y + 1; } else { y <== x; } }
template Main() { signal input x; signal output y; component c[3]; for (var i=0;i<3;i++) { c[i] = A(i); c[i].x <== x; } y <== c[2].y; signal t; if (x == 1) { t <-- 1; } else { t <-- 2; } 
var f = 3; { var f = 4; log(f);} log(f); signal unused; signal output un; un <-- x; var arr[2][3]; arr[1] = [1,2,3]; arr[0][2] = 7; log(arr[1][2], arr[0][1]); }
component main = Main();
