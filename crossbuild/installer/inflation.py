"""Deflated data for a Python without zlib (RFC 1951): slow, but there.

About a megabyte per second; `crossbuild bundle --stored` makes wheels that need none of it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Codes = dict[tuple[int, int], int]

WINDOW = 1 << 15
ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
LENGTHS = tuple(
    [(size, 0) for size in range(3, 11)]
    + [(3 + ((4 + step) << extra), extra) for extra in range(1, 6) for step in range(4)]
    + [(258, 0)]
)
DISTANCES = tuple(
    [(size, 0) for size in range(1, 5)]
    + [(1 + ((2 + step) << extra), extra) for extra in range(1, 14) for step in range(2)]
)


class Bits:
    """Bits from chunks of bytes, the lowest first. Raises ValueError at their end."""

    def __init__(self, chunks: "Iterator[bytes]") -> None:
        self.bytes = (byte for chunk in chunks for byte in chunk)
        self.held = 0
        self.count = 0

    def take(self, count: int) -> int:
        """A number of so many bits."""
        while self.count < count:
            try:
                self.held |= next(self.bytes) << self.count
            except StopIteration:
                raise ValueError("the data is cut off") from None
            self.count += 8
        number = self.held & ((1 << count) - 1)
        self.held >>= count
        self.count -= count
        return number

    def align(self) -> None:
        """Go on at the next whole byte."""
        self.held = self.count = 0

    def symbol(self, codes: "Codes") -> int:
        """The next symbol of a Huffman code."""
        code, length = 0, 0
        while length < 15:
            code = code << 1 | self.take(1)
            length += 1
            symbol = codes.get((length, code))
            if symbol is not None:
                return symbol
        raise ValueError("a code is not known")


def code_table(lengths: "list[int]") -> "Codes":
    """The canonical Huffman code with these lengths, by length and code."""
    codes, code = {}, 0
    for length in range(1, 16):
        for symbol, own in enumerate(lengths):
            if own == length:
                codes[length, code] = symbol
                code += 1
        code <<= 1
    return codes


def inflate(chunks: "Iterator[bytes]", limit: int) -> "Iterator[bytes]":
    """The data as it was, some of it at a time. Raises ValueError where it is damaged.

    Never more than about ``limit`` bytes are held, and the 32 KiB that data may refer to.
    """
    bits, out, last = Bits(chunks), bytearray(), 0
    while not last:
        last = bits.take(1)
        kind = bits.take(2)
        if kind == 0:
            block = stored_block(bits)
        elif kind == 3:
            raise ValueError("a block is of no known kind")
        else:
            literals, distances = fixed_codes() if kind == 1 else dynamic_codes(bits)
            block = coded_block(bits, out, literals, distances)
        for piece in block:
            out += piece
            if len(out) > limit + WINDOW:
                yield bytes(out[:-WINDOW])
                del out[:-WINDOW]
    yield bytes(out)


def stored_block(bits: Bits) -> "Iterator[bytes]":
    bits.align()
    size, check = bits.take(16), bits.take(16)
    if size != check ^ 0xFFFF:
        raise ValueError("the length of a block is wrong")
    for _ in range(size):
        yield bytes((bits.take(8),))


def fixed_codes() -> "tuple[Codes, Codes]":
    lengths = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8
    return code_table(lengths), code_table([5] * 30)


def dynamic_codes(bits: Bits) -> "tuple[Codes, Codes]":
    """The codes of a block that brings its own."""
    literals, distances, given = bits.take(5) + 257, bits.take(5) + 1, bits.take(4) + 4
    own = [0] * 19
    for place in ORDER[:given]:
        own[place] = bits.take(3)
    codes = code_table(own)
    lengths: "list[int]" = []
    while len(lengths) < literals + distances:
        symbol = bits.symbol(codes)
        if symbol < 16:
            lengths.append(symbol)
        elif symbol == 16:
            lengths += [lengths[-1]] * (3 + bits.take(2))
        elif symbol == 17:
            lengths += [0] * (3 + bits.take(3))
        else:
            lengths += [0] * (11 + bits.take(7))
    return code_table(lengths[:literals]), code_table(lengths[literals:])


def coded_block(
    bits: Bits, out: bytearray, literals: "Codes", distances: "Codes"
) -> "Iterator[bytes]":
    """Literals, and repetitions of what came before (which the caller has put to ``out``)."""
    while True:
        symbol = bits.symbol(literals)
        if symbol < 256:
            yield bytes((symbol,))
            continue
        if symbol == 256:
            return
        size, extra = LENGTHS[symbol - 257]
        size += bits.take(extra)
        distance, extra = DISTANCES[bits.symbol(distances)]
        distance += bits.take(extra)
        if distance > len(out):
            raise ValueError("it refers to what was not there")
        piece = bytes(out[-distance:][:size])
        yield (piece * (size // len(piece) + 1))[:size]
