# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: perl
# packages: perl
# verify: perl:6
# Hashes, big strings, regular expressions, fork with pipes, sort.
set -eu
perl - <<'END'
use strict; use warnings;
my %count; my $seed = 1;
for (1 .. 200_000) { $seed = ($seed * 1103515245 + 12345) % 2147483648; $count{$seed % 5000}++; }
print scalar(keys %count), " keys\n";
my $text = join ' ', map { "word$_" } 1 .. 100_000;
my $hits = () = $text =~ /\bword\d*7\b/g;
print "$hits hits, ", length $text, " characters\n";
my @sorted = sort { $count{$b} <=> $count{$a} || $a <=> $b } keys %count;
print "first @sorted[0..4]\n";
my @big = map { [ $_, "v" x 100 ] } 1 .. 50_000;
print scalar(@big), " rows\n";
$| = 1;
for my $child (1 .. 5) {
	pipe(my $r, my $w) or die;
	my $pid = fork // die;
	if (!$pid) {
		close $r; my $sum = 0; $sum += $_->[0] * $child for @big;
		push @big, [ $_, "c" x 50 ] for 1 .. 20_000;
		print $w "$sum ", scalar(@big), "\n"; close $w; exit $child;
	}
	close $w; my $line = <$r>; waitpid $pid, 0;
	print "child $child exit ", $? >> 8, " says $line";
}
my $out = `echo from a shell`; print $out;
END
