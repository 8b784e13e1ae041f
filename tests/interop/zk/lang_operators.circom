pragma circom 2.1.6;
template M() { signal input x; signal output y; component c; 
  signal k <-- (1 << 253) >> 1; signal k2 <-- x ^ 5; signal k3 <-- ~x; signal k4 <-- -1 >> 1; signal k5 <-- x / 3; signal k6 <-- -5 \ 3; signal k7 <-- -5 % 3; signal k8 <-- !x; signal k9 <-- x ** 5; signal k10 <-- (-x) < 1; signal k11 <-- x && 1; signal k12 <-- x << 254; signal k13 <-- x << (-1); signal k14 <-- ~0; signal k15 <-- x \ (x-6) ; signal k16 <-- x % (-x);  signal k18 <-- x >> 300; signal k19 <-- 3 | x; signal k20 <-- (-1) ^ x; signal k21 <-- x ** (-1);  signal k23 <-- (-1) | x; 
  y <== x; }
component main = M();
