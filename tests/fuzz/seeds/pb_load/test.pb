
â
pb_test2.protosennit.test2"Á
Old
id (Rid
name (	:na"me
Rname2
mode (2.sennit.test2.Old.Mode:MODE_BRmode
plain (Rplain
dense (BRdense*
pair (
2.sennit.test2.Old.PairRpair*
many (
2.sennit.test2.Old.ManyRmany
ratio (:-infRratio&
low	 (:-9223372036854775808Rlow
raw
 (:	\000\377xRraw0
modes (2.sennit.test2.Old.ModeBRmodes#
sub (2.sennit.test2.OldRsubC
Pair
left (Rleft'
right (2.sennit.test2.OldRright
Many
tag (	Rtag"4
Mode

MODE_A

MODE_B
MODE_ALIAS_B*dÈ