"""Ed25519 signatures, checked with nothing but integers (RFC 8032, 5.1)."""

from crossbuild.installer.digests import hasher

PRIME = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, PRIME - 2, PRIME) % PRIME
ROOT = pow(2, (PRIME - 1) // 4, PRIME)
"""A square root of -1."""
BASE_Y = 4 * pow(5, PRIME - 2, PRIME) % PRIME


def recovered(y: int, odd: int) -> "int | None":
    """The x of a point on the curve; None where there is none (5.1.3)."""
    if y >= PRIME:
        return None
    square = (y * y - 1) * pow(CURVE * y * y + 1, PRIME - 2, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME != 0:
        x = x * ROOT % PRIME
    if (x * x - square) % PRIME != 0 or (x == 0 and odd):
        return None
    return PRIME - x if x & 1 != odd else x


class Point:
    """A point of the curve, in extended homogeneous coordinates (5.1.4)."""

    __slots__ = ("t", "x", "y", "z")

    def __init__(self, x: int, y: int, z: int, t: int) -> None:
        self.x, self.y, self.z, self.t = x, y, z, t

    def plus(self, other: "Point") -> "Point":
        a = (self.y - self.x) * (other.y - other.x) % PRIME
        b = (self.y + self.x) * (other.y + other.x) % PRIME
        c = 2 * self.t * other.t * CURVE % PRIME
        d = 2 * self.z * other.z % PRIME
        e, f, g, h = b - a, d - c, d + c, b + a
        return Point(e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME)

    def times(self, factor: int) -> "Point":
        result, power = Point(0, 1, 1, 0), self
        while factor:
            if factor & 1:
                result = result.plus(power)
            power = power.plus(power)
            factor >>= 1
        return result

    def equals(self, other: "Point") -> bool:
        across = (self.x * other.z - other.x * self.z) % PRIME
        up = (self.y * other.z - other.y * self.z) % PRIME
        return across == 0 and up == 0


def decoded_point(data: bytes) -> "Point | None":
    """The point that 32 bytes are (5.1.3); None where they are none."""
    number = int.from_bytes(data, "little")
    y = number & ((1 << 255) - 1)
    x = recovered(y, number >> 255)
    return None if x is None else Point(x, y, 1, x * y % PRIME)


def authentic(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is the key's signature of the message (5.1.7). All three are raw bytes."""
    if len(key) != 32 or len(signature) != 64:
        return False
    public, commitment = decoded_point(key), decoded_point(signature[:32])
    proof = int.from_bytes(signature[32:], "little")
    if public is None or commitment is None or proof >= GROUP_ORDER:
        return False
    digest = hasher("sha512")
    digest.update(signature[:32] + key + message)
    challenge = int.from_bytes(digest.digest(), "little") % GROUP_ORDER
    x = recovered(BASE_Y, 0) or 0
    base = Point(x, BASE_Y, 1, x * BASE_Y % PRIME)
    return base.times(proof).equals(commitment.plus(public.times(challenge)))
