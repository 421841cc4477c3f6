# Sends forged frames on eth0, and the same ones for the same seed:
#   perl flood.pl SEED COUNT OWN-MAC OWN-IP OTHER-MAC OTHER-IP SERVICE-MAC SERVICE-IP [VLAN-TAGS] < TEMPLATES
# Half of them are templates, one in hex on each line, to random stations and with a random end. In the others everything
# is random but for a lie: the source, or a type that guests have no use for. All end with a tag.
use strict;
use Socket;

my ($seed, $count, @who) = @ARGV;
my ($own_mac, $other_mac, $service_mac) = map { pack "H*", $who[$_] } 0, 2, 4;
my ($own_ip, $other_ip, $service_ip) = map { inet_aton($who[$_]) } 1, 3, 5;
my $vlan_tags = pack "H*", $who[6] // "";
my $metadata_ip = inet_aton("169.254.169.254");
chomp(my @templates = <STDIN>);
@templates = map { pack "H*", $_ } @templates;
my $tag = pack "H*", "be57f10d";
srand($seed);

sub any { $_[rand @_] }
sub number { int rand $_[0] }
sub bytes { substr(pack("N*", map { rand 4294967296 } 0 .. $_[0] / 4), 0, $_[0]) }
sub station { any($other_mac, $service_mac, "\xff" x 6, "\x01\x00\x5e\x00\x00\x01", "\x33\x33\x00\x00\x00\x01") }
sub stranger { "\x02\x77" . bytes(4) }

sub liar_ip {
  my $ip = any($other_ip, $service_ip, $metadata_ip, bytes(4));
  return $ip eq $own_ip || $ip eq "\0\0\0\0" ? $other_ip : $ip;
}

sub checksum {
  my $sum = 0;
  $sum += $_ for unpack "n*", $_[0];
  $sum = ($sum & 0xffff) + ($sum >> 16) while $sum > 0xffff;
  return pack "n", ~$sum & 0xffff;
}

sub payload {
  my $ports = pack "nn", any(67, 68, 80, 546, 547, number(65536)), any(53, 67, 68, 80, 546, 547, number(65536));
  return $ports . bytes(number(200)) . $tag if $_[0] != 6;
  my $asks = "GET /meta-data HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n";
  return $ports . bytes(8) . pack("n", 0x5000 | any(2, 16, 24)) . bytes(6) . $asks . $tag;
}

sub ipv4 {
  my ($from) = @_;
  my $protocol = any(1, 6, 17, number(256));
  my ($options, $payload) = (bytes(4 * any(0, 0, 0, 1, 5)), payload($protocol));
  my $length = 20 + length($options) + length($payload);
  my $fragment = any(0, 0, 0x2000, 0x4000, number(65536));
  my $head = pack("CCnnnCCn", 0x45 + length($options) / 4, number(256), $length, number(65536), $fragment, 1 + number(255), $protocol, 0);
  $head .= $from . any($other_ip, $service_ip, $metadata_ip, "\xff" x 4, bytes(4)) . $options;
  substr($head, 10, 2) = checksum($head);
  return "\x08\x00" . $head . $payload;
}

sub ipv6 {
  my $header = any(0, 6, 17, 43, 44, 58, 60, number(256));
  my $payload = payload($header);
  my $from = any("\xfe\x80" . "\0" x 6, "\xfd\x5b" . "\0" x 6, bytes(8)) . "\x77" . bytes(7);
  my $to = any("\xff\x02" . "\0" x 13 . "\x01", bytes(16));
  return "\x86\xdd" . pack("NnCC", 0x60000000 | number(1 << 20), length($payload), $header, any(255, number(256))) . $from . $to . $payload;
}

sub arp {
  my $head = pack "nnCCn", any(1, 1, 1, 6), any(0x0800, 0x0800, number(65536)), 6, 4, any(1, 2, number(65536));
  return "\x08\x06" . $head . any($own_mac, $other_mac, stranger()) . liar_ip() . bytes(6) . any($own_ip, $other_ip, $service_ip) . $tag;
}

sub other_type {
  my $type = any(0x8100, 0x88a8, 0x88cc, 0x8035, number(65536));
  $type = 0x88cc if $type == 0x0800 || $type == 0x0806 || $type == 0x86dd;
  return pack("n", $type) . bytes(4 + number(200)) . $tag;
}

sub frame {
  return station() . substr(any(@templates), 6) . bytes(number(100)) . $tag if rand() < 0.5;
  return station() . any($other_mac, $service_mac, stranger()) . ipv4($own_ip) if rand() < 0.2;
  my $from = any($own_mac, $own_mac, $own_mac, $other_mac, stranger());
  return station() . $from . any(ipv4(liar_ip()), ipv6(), arp(), other_type());
}

socket(my $socket, 17, 3, 0x0300) or die "socket: $!";
open(my $file, "<", "/sys/class/net/eth0/ifindex") or die "ifindex: $!";
bind($socket, pack("SnlSCCa8", 17, 3, int(<$file>), 0, 0, 0, "")) or die "bind: $!";
for (1 .. $count) {
  my $frame = frame();
  substr($frame, 12, 0) = $vlan_tags;
  defined(send($socket, $frame, 0)) or $!{ENOBUFS} or die "send: $!";
}
print "sent $count\n";
