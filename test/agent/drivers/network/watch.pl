# Counts what comes in at a link until standard input ends, and half a second longer: perl watch.pl LINK HONEST-MAC
# Forged is what comes from another MAC than this one, or has a marker of frames.ts or the tag of flood.pl.
use strict;
use Socket;

my ($link, $honest) = @ARGV;
$honest = pack "H*", $honest;
socket(my $socket, 17, 3, 0x0300) or die "socket: $!";
open(my $file, "<", "/sys/class/net/$link/ifindex") or die "ifindex: $!";
bind($socket, pack("SnlSCCa8", 17, 3, int(<$file>), 0, 0, 0, "")) or die "bind: $!";
# SO_RCVBUFFORCE: what comes faster than it is counted waits.
setsockopt($socket, SOL_SOCKET, 33, pack("l", 1 << 26)) or die "setsockopt: $!";
$| = 1;
print "ready\n";

my ($seen, $forged, $quiet, $ends) = (0, 0, 0, 0);
my @samples;
while (!$ends || $quiet < 5) {
  my $readable = "";
  vec($readable, fileno($socket), 1) = 1;
  vec($readable, 0, 1) = 1 unless $ends;
  my $found = select($readable, undef, undef, 0.1);
  $quiet = $found ? 0 : $quiet + 1 if $ends;
  $ends = 1 if !$ends && vec($readable, 0, 1) && !sysread(STDIN, my $rest, 1);
  next unless vec($readable, fileno($socket), 1);
  my $from = recv($socket, my $frame, 65536, 0);
  # What goes out is seen as well.
  next if (unpack "SnlSC", $from)[4] == 4;
  $seen++;
  next if substr($frame, 6, 6) eq $honest && $frame !~ /\xbe\x57\xf1\x0d|\xbe\x57(..)\xbe\x57\1|\x86\xdd\x60\x0b\xa0/s;
  $forged++;
  push @samples, unpack("H*", $frame) if @samples < 3;
}
print "$seen $forged @samples\n";
