"""Picture files of every kind, sound and unsound, against pixels known by construction."""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import warnings
import zipfile
import zlib
from typing import ClassVar

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from engine.errors import InputError, PictureError, TooLargeError
from engine.imaging import pictures
from engine.imaging.headers import read_header

# Every pixel differs from its neighbours and each channel from the others: no turn, mirror or
# swap of channels can hide.
PHANTOM = np.stack(
    [
        np.add.outer(np.arange(0, 60, 10), np.arange(0, 40, 5)),
        np.add.outer(np.arange(100, 160, 10), np.arange(0, 16, 2)),
        np.add.outer(np.arange(250, 190, -10), np.arange(0, -40, -5)),
    ],
    axis=-1,
).astype(np.uint8)  # (6, 8, 3)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(
    rows: np.ndarray, *, colour: int, bits: int, extra: tuple[tuple[bytes, bytes], ...] = ()
) -> bytes:
    """Write a PNG by hand, because Pillow cannot write all kinds (16-bit colour, say)."""
    height, width = rows.shape[:2]
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in parts)


def chunk(name: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[274] = orientation
    return block


class TestEachFormat:
    """The six formats give back the pixels that went in."""

    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            ("PNG", {}),
            ("WEBP", {"lossless": True}),
            ("TIFF", {}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("TIFF", {"compression": "tiff_deflate"}),
            ("TIFF", {"compression": "packbits"}),
            ("TIFF", {"big_tiff": True}),
            ("BMP", {}),
        ],
    )
    def test_lossless_formats_keep_every_pixel(self, kind: str, options: dict) -> None:
        """A lossless file decodes to exactly the picture that was saved."""
        data = saved(Image.fromarray(PHANTOM), kind, **options)
        picture = pictures.decode(data)
        assert picture.dtype == np.uint8
        assert picture.flags.c_contiguous
        np.testing.assert_array_equal(PHANTOM, picture)

    def test_gif_gives_the_first_frame(self) -> None:
        """Of an animated GIF the first frame counts."""
        red, blue = (Image.new("RGB", (5, 4), colour) for colour in ("#c00000", "#0000c0"))
        data = saved(red, "GIF", save_all=True, append_images=[blue])
        np.testing.assert_array_equal(np.full((4, 5, 3), (192, 0, 0)), pictures.decode(data))

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "MPO"])
    def test_several_frames_or_pages_give_the_first(self, kind: str) -> None:
        """An animated PNG or WebP, a TIFF of pages and a phone's MPO give their first picture."""
        white, black = (Image.new("RGB", (16, 8), colour) for colour in ("white", "black"))
        data = saved(white, kind, save_all=True, append_images=[black])
        assert pictures.decode(data).min() > 250

    @pytest.mark.parametrize("subsampling", [0, 1, 2])
    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("mode", ["RGB", "L"])
    def test_plain_jpeg_equals_pillow(self, mode: str, subsampling: int, progressive: bool) -> None:
        """The fast way for everyday JPEGs gives the same pixels as Pillow, bit by bit."""
        noise = np.random.default_rng(7).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(cv2.resize(noise, (250, 131))).convert(mode)
        data = saved(image, "JPEG", subsampling=subsampling, progressive=progressive)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        np.testing.assert_array_equal(expected, pictures.decode(data))

    def test_content_decides_and_not_the_name(self) -> None:
        """Bytes carry no file name, so a PNG that was named .jpg is a PNG."""
        assert read_header(saved(Image.fromarray(PHANTOM), "PNG")).kind == "png"

    def test_bytes_after_the_end_are_ignored(self) -> None:
        """Phones append data behind a JPEG or PNG; the picture still counts."""
        for kind in ("PNG", "JPEG"):
            data = saved(Image.fromarray(PHANTOM), kind)
            np.testing.assert_array_equal(
                pictures.decode(data), pictures.decode(data + b"SEFHtrailer of a phone")
            )

    def test_bytearray_and_memoryview_are_bytes(self) -> None:
        """Any bytes-like object is read."""
        data = saved(Image.fromarray(PHANTOM), "PNG")
        np.testing.assert_array_equal(PHANTOM, pictures.decode(memoryview(data)))
        np.testing.assert_array_equal(PHANTOM, pictures.decode(bytearray(data)))

    def test_threads_do_not_disturb_each_other(self) -> None:
        """Many threads decoding different formats at once get their own pixels."""
        files = [saved(Image.fromarray(PHANTOM), kind) for kind in ("PNG", "TIFF", "BMP")] * 8
        wrong: list[int] = []

        def work(number: int) -> None:
            seen = (pictures.decode(files[number]) for _ in range(10))
            wrong.extend(number for picture in seen if not np.array_equal(picture, PHANTOM))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(files))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


class TestModes:
    """Grey, palette, transparent, CMYK: all become RGB."""

    def test_grey(self) -> None:
        """Grey becomes three equal channels."""
        data = saved(Image.fromarray(PHANTOM[..., 0]), "PNG")
        np.testing.assert_array_equal(np.repeat(PHANTOM[..., :1], 3, axis=2), pictures.decode(data))

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
    def test_one_bit(self, kind: str) -> None:
        """One bit per pixel becomes 0 and 255."""
        bits = np.array([[True, False, True], [False, False, True]])
        data = saved(Image.fromarray(bits), kind)
        expected = np.repeat(bits[..., np.newaxis] * np.uint8(255), 3, axis=2)
        np.testing.assert_array_equal(expected, pictures.decode(data))

    @pytest.mark.parametrize(("bits", "white"), [(2, 3), (4, 15)])
    def test_grey_of_few_bits_is_spread(self, bits: int, white: int) -> None:
        """Two and four bits of grey reach 255, too."""
        row = np.array([[white << (8 - bits)]], np.uint8)  # one pixel, packed to the left
        assert pictures.decode(png(row, colour=0, bits=bits)).ravel().tolist() == [255, 255, 255]

    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
    def test_transparent_pixels_lie_on_white(self, kind: str) -> None:
        """Alpha 0 shows white, 255 the colour, 51 a fifth of the colour on white."""
        rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 255, 51]]], np.uint8)
        options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        picture = pictures.decode(saved(Image.fromarray(rgba), kind, **options))
        # 0.2 · 0 + 0.8 · 255 = 204;  0.2 · 100 + 204 = 224;  0.2 · 255 + 204 = 255
        assert picture[0].tolist() == [[10, 20, 30], [255, 255, 255], [204, 224, 255]]

    def test_grey_with_alpha(self) -> None:
        """Grey with alpha is laid over white as well."""
        data = saved(Image.fromarray(np.array([[[0, 51], [90, 255]]], np.uint8), "LA"), "PNG")
        assert pictures.decode(data)[0].tolist() == [[204] * 3, [90] * 3]

    def test_palette(self) -> None:
        """Indices become the colours of the palette."""
        image = Image.new("P", (2, 1))
        image.putpalette([1, 2, 3, 200, 100, 50])
        image.putdata([1, 0])
        for kind in ("PNG", "TIFF", "BMP", "GIF"):
            assert pictures.decode(saved(image, kind))[0].tolist() == [[200, 100, 50], [1, 2, 3]]

    def test_transparent_palette_entries_are_white(self) -> None:
        """A palette entry that is transparent shows white."""
        image = Image.new("P", (2, 1))
        image.putpalette([1, 2, 3, 200, 100, 50])
        image.putdata([1, 0])
        data = saved(image, "PNG", transparency=b"\xff\x00")
        assert pictures.decode(data)[0].tolist() == [[255, 255, 255], [1, 2, 3]]

    def test_transparent_colour_of_rgb_png_is_white(self) -> None:
        """A PNG may name one colour transparent (tRNS): it shows white, others stay."""
        rgb = np.array([[[9, 8, 7], [1, 2, 3]]], np.uint8)
        data = saved(Image.fromarray(rgb), "PNG", transparency=(9, 8, 7))
        assert pictures.decode(data)[0].tolist() == [[255, 255, 255], [1, 2, 3]]

    @pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
    def test_cmyk(self, kind: str) -> None:
        """No ink is white, full cyan has no red; a JPEG stores ink inverted, as Adobe does."""
        inks = np.zeros((8, 24, 4), np.uint8)
        inks[:, 8:16, 0] = 255  # cyan
        inks[:, 16:, 3] = 255  # black
        options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
        data = saved(Image.fromarray(inks, "CMYK"), kind, **options)
        if kind == "JPEG":
            assert b"Adobe" in data
        picture = pictures.decode(data).astype(int)
        expected = [[255, 255, 255], [0, 255, 255], [0, 0, 0]]
        assert np.abs(picture[4, [4, 12, 20]] - expected).max() <= 3

    def test_lab_tiff(self) -> None:
        """L*a*b* of 53 / 80 / 67 is sRGB red (CIE, D50 adapted), within the steps of 8 bits."""
        lab = np.array([[[138, 81, 70]]], np.uint8)  # L 54.1 of 100, a 81, b 70
        picture = pictures.decode(saved(Image.fromarray(lab, "LAB"), "TIFF"))
        assert np.abs(picture[0, 0].astype(int) - [255, 0, 0]).max() <= 12


class TestDepth:
    """More than 8 bits are scaled so that full light stays full light; nothing is clipped."""

    SAMPLES = np.array([[0, 128, 129, 257, 32768, 65278, 65535]], np.uint16)
    # v / 257, to the nearest: 128/257 = 0.498, 129/257 = 0.502, 32768/257 = 127.502,
    # 65278/257 = 254.0
    LEVELS = (0, 0, 1, 1, 128, 254, 255)

    def test_sixteen_bit_grey_png(self) -> None:
        """A 16-bit grey PNG is scaled by 255/65535."""
        picture = pictures.decode(saved(Image.fromarray(self.SAMPLES), "PNG"))
        assert picture[0, :, 0].tolist() == list(self.LEVELS)

    @pytest.mark.parametrize("channels", [3, 4])
    def test_sixteen_bit_colour_png(self, channels: int) -> None:
        """16-bit RGB and RGBA PNGs follow the same rule, each channel in its place."""
        rows = np.full((1, 7, channels), 65535, ">u2")
        rows[..., 0] = self.SAMPLES
        rows[..., 1] = self.SAMPLES[:, ::-1]
        picture = pictures.decode(png(rows, colour=2 if channels == 3 else 6, bits=16))
        assert picture[0, :, 0].tolist() == list(self.LEVELS)
        assert picture[0, :, 1].tolist() == list(self.LEVELS[::-1])
        assert picture[0, :, 2].tolist() == [255] * 7

    def test_sixteen_bit_grey_alpha_png(self) -> None:
        """16-bit grey under 16-bit alpha lies over white: half of black is 127 or 128."""
        rows = np.array([[[0, 32768], [65535, 65535], [0, 65535]]], ">u2")
        assert pictures.decode(png(rows, colour=4, bits=16))[0, :, 0].tolist() == [127, 255, 0]

    def test_sixteen_bit_png_with_a_profile_keeps_its_levels(self) -> None:
        """An sRGB profile leaves the levels of a 16-bit PNG as they are."""
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        profile = (b"iCCP", b"sRGB\0\0" + zlib.compress(srgb))
        rows = np.repeat(self.SAMPLES[..., np.newaxis], 3, axis=2).astype(">u2")
        picture = pictures.decode(png(rows, colour=2, bits=16, extra=(profile,)))
        assert picture[0, :, 0].tolist() == list(self.LEVELS)

    @pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
    @pytest.mark.parametrize("planar", ["contig", "separate"])
    def test_sixteen_bit_rgb_tiff(self, compression: str | None, planar: str) -> None:
        """16-bit RGB TIFFs, interleaved or in planes, follow the same rule."""
        rgb = np.stack([self.SAMPLES, self.SAMPLES[:, ::-1], self.SAMPLES], axis=-1)
        rgb = np.repeat(rgb, 2, axis=0)
        stored = np.moveaxis(rgb, -1, 0) if planar == "separate" else rgb
        file = io.BytesIO()
        tifffile.imwrite(
            file, stored, photometric="rgb", planarconfig=planar, compression=compression
        )
        picture = pictures.decode(file.getvalue())
        assert picture.shape == (2, 7, 3)
        assert picture[1, :, 0].tolist() == list(self.LEVELS)
        assert picture[1, :, 1].tolist() == list(self.LEVELS[::-1])

    @pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
    def test_sixteen_bit_grey_tiff(self, compression: str) -> None:
        """16-bit grey TIFFs follow the same rule."""
        data = saved(Image.fromarray(self.SAMPLES), "TIFF", compression=compression)
        assert pictures.decode(data)[0, :, 0].tolist() == list(self.LEVELS)

    def test_tiff_whose_zero_is_white_is_inverted(self) -> None:
        """PhotometricInterpretation 0 means that 0 is white (TIFF 6.0, §4), at any depth."""
        for kind in (np.uint16, np.uint8):
            file = io.BytesIO()
            full = np.iinfo(kind).max
            tifffile.imwrite(file, np.array([[0, full]], kind), photometric="miniswhite")
            assert pictures.decode(file.getvalue())[0, :, 0].tolist() == [255, 0]

    def test_twelve_bits_declared_reach_white(self) -> None:
        """A TIFF of 12 bits per sample is white at 4095: 0, 2048 and 4095 → 0, 128 and 255."""
        packed = bytes([0x00, 0x08, 0x00, 0xFF, 0xF0, 0x00])  # 000 800 FFF 000, 12 bits each
        tags = [(256, 3, 1, 4), (257, 3, 1, 1), (258, 3, 1, 12), (259, 3, 1, 1), (262, 3, 1, 1)]
        tags += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, 1), (279, 4, 1, 6)]
        entries = b"".join(
            struct.pack("<HHI", tag, kind, count)
            + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
            for tag, kind, count, value in tags
        )
        directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
        data = b"II*\0" + struct.pack("<I", 14) + packed + directory
        assert pictures.decode(data)[0, :, 0].tolist() == [0, 128, 255, 0]

    def test_twelve_bits_in_sixteen_are_scaled_as_the_caller_says(self) -> None:
        """Undeclared 12-bit samples stay dark unless ``white`` says that 4095 is full light."""
        data = saved(Image.fromarray(np.array([[0, 2048, 4095]], np.uint16)), "PNG")
        assert pictures.decode(data)[0, :, 0].tolist() == [0, 8, 16]  # 2048/257 = 7.97
        assert pictures.decode(data, white=4095)[0, :, 0].tolist() == [0, 128, 255]

    def test_white_leaves_eight_bit_pictures_alone(self) -> None:
        """``white`` speaks about deep samples only."""
        data = saved(Image.fromarray(PHANTOM), "PNG")
        np.testing.assert_array_equal(PHANTOM, pictures.decode(data, white=4095))

    @pytest.mark.parametrize(
        ("samples", "levels"),
        [
            ([[0.0, 0.5, 1.0]], [0, 128, 255]),
            ([[0.0, 100.4, 255.0]], [0, 100, 255]),
            ([[0.0, 32768.0, 65535.0]], [0, 128, 255]),
        ],
    )
    def test_float_tiff(self, samples: list, levels: list[int]) -> None:
        """Floats up to 1, up to 255 and up to 65535 are scaled by that white."""
        file = io.BytesIO()
        tifffile.imwrite(file, np.array(samples, np.float32))
        assert pictures.decode(file.getvalue())[0, :, 0].tolist() == levels

    def test_float_rgb_tiff(self) -> None:
        """Colour in floats, which Pillow cannot read, is read."""
        file = io.BytesIO()
        tifffile.imwrite(file, (PHANTOM / 255).astype(np.float32), photometric="rgb")
        np.testing.assert_array_equal(PHANTOM, pictures.decode(file.getvalue()))

    @pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, 1.5, 70000.0])
    def test_float_without_a_white_is_refused(self, value: float) -> None:
        """Floats below 0, not finite, just above 1 or above 65535 leave white unknown."""
        file = io.BytesIO()
        tifffile.imwrite(file, np.array([[0.2, value]], np.float32))
        with pytest.raises(PictureError, match=r"samples from|which value means white"):
            pictures.decode(file.getvalue())


class TestTurn:
    """EXIF orientation 1..8 (EXIF 2.32, tag 0x0112)."""

    # What a camera stores for each value so that the viewer sees ABC over DEF.
    STORED: ClassVar = {
        1: ["ABC", "DEF"],
        2: ["CBA", "FED"],
        3: ["FED", "CBA"],
        4: ["DEF", "ABC"],
        5: ["AD", "BE", "CF"],
        6: ["CF", "BE", "AD"],
        7: ["FC", "EB", "DA"],
        8: ["DA", "EB", "FC"],
    }

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
    def test_every_turn_is_undone(self, kind: str, orientation: int) -> None:
        """Whatever the camera's turn, the picture stands upright."""
        letters = np.array([[ord(c) for c in row] for row in self.STORED[orientation]], np.uint8)
        stored = Image.fromarray(np.repeat(letters[..., np.newaxis], 3, axis=2))
        options = {"lossless": True} if kind == "WEBP" else {}
        picture = pictures.decode(saved(stored, kind, exif=exif(orientation), **options))
        assert ["".join(map(chr, row)) for row in picture[..., 0]] == ["ABC", "DEF"]

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_every_turn_of_a_jpeg(self, orientation: int) -> None:
        """JPEGs, too: bright upper left corner, dark elsewhere."""
        upright = np.zeros((32, 48, 3), np.uint8)
        upright[:16, :16] = 255
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.transpose(1, 0, 2),
            6: np.rot90(upright),
            7: np.rot90(upright.transpose(1, 0, 2), 2),
            8: np.rot90(upright, -1),
        }[orientation]
        image = Image.fromarray(np.ascontiguousarray(stored))
        picture = pictures.decode(saved(image, "JPEG", exif=exif(orientation)))
        assert picture.shape == (32, 48, 3)
        assert picture[4:12, 4:12].min() > 240
        assert picture[20:, 20:].max() < 15

    @pytest.mark.parametrize("orientation", [3, 6])
    def test_deep_tiff_is_turned(self, orientation: int) -> None:
        """The way for deep TIFFs turns as well."""
        letters = np.array([[ord(c) for c in row] for row in self.STORED[orientation]], np.uint16)
        stored = np.repeat(letters[..., np.newaxis] * 257, 3, axis=2).astype(np.uint16)
        file = io.BytesIO()
        tag = (274, "H", 1, orientation, True)
        tifffile.imwrite(file, stored, photometric="rgb", extratags=[tag])
        picture = pictures.decode(file.getvalue())
        assert ["".join(map(chr, row)) for row in picture[..., 0]] == ["ABC", "DEF"]

    @pytest.mark.parametrize(
        "block", [b"", b"garbage", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08"]
    )
    def test_damaged_exif_costs_the_turn_only(self, block: bytes) -> None:
        """A damaged EXIF block is ignored; the picture still counts."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own, while it writes
            data = saved(Image.fromarray(PHANTOM), "PNG", exif=b"Exif\0\0" + block)
        np.testing.assert_array_equal(PHANTOM, pictures.decode(data))

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_impossible_turns_are_ignored(self, orientation: int) -> None:
        """Values outside 1..8 mean nothing."""
        data = saved(Image.fromarray(PHANTOM), "PNG", exif=exif(orientation))
        np.testing.assert_array_equal(PHANTOM, pictures.decode(data))


class TestBadInput:
    """Each kind of bad input gets a sentence that names it."""

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", "upload is empty"),
            (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
            (b"\n\n  <html><img src='eye.png'></html>", "an HTML page"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
            (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><svg></svg>", "an SVG drawing"),
            (b"<?xml version='1.0'?><note/>", "XML text"),
            (b"%PDF-1.7\n%...", "a PDF document"),
            (b"\x1f\x8b\x08\x00rest", "a gzip archive"),
            (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "a HEIC photo"),
            (b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00", "an AVIF picture"),
            (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", "a video"),
            (b"RIFF\x24\x00\x00\x00WAVEfmt ", "a sound or video file"),
            (b"\0" * 128 + b"DICM\x02\x00", "a DICOM file"),
            (b"\x93NUMPY\x01\x00", "a NumPy array"),
            (b'{"image": "data:..."}', "plain text"),
            ("Ein Auge, schön".encode(), "plain text"),
            (b"data:image/png;base64,iVBORw0KGgo=", "the text of a data URI"),
            (b"\x00\x01\x02\x03\xfe\xff\xfa", "no format that we know"),
        ],
    )
    def test_strangers_are_named(self, data: bytes, words: str) -> None:
        """What is no picture is named in the sentence."""
        with pytest.raises(PictureError, match=words):
            pictures.decode(data)

    def test_zip_with_a_jpeg_name_is_a_zip(self) -> None:
        """A ZIP archive is recognised whatever it was called."""
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("eye.jpg", "x")
        with pytest.raises(PictureError, match="a ZIP archive"):
            pictures.decode(file.getvalue())

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
    @pytest.mark.parametrize("share", [0.03, 0.3, 0.6, 0.9, 0.999])
    def test_cut_off_files_are_refused(self, kind: str, share: float) -> None:
        """A file that ends too early is refused, wherever it ends."""
        noise = np.random.default_rng(3).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        data = saved(Image.fromarray(noise), kind)
        with pytest.raises(PictureError, match=r"incomplete|damaged"):
            pictures.decode(data[: int(len(data) * share)])

    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_cut_off_deep_tiff_is_refused(self, compression: str | None) -> None:
        """A deep TIFF whose strips lie beyond the file's end is refused."""
        file = io.BytesIO()
        deep = np.random.default_rng(3).integers(0, 65536, (60, 80), dtype=np.uint16)
        tifffile.imwrite(file, deep, compression=compression)
        with pytest.raises(PictureError, match="TIFF picture is incomplete"):
            pictures.decode(file.getvalue()[:-500])

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
    def test_signature_alone_is_refused(self, kind: str) -> None:
        """The first twelve bytes alone are no picture."""
        with pytest.raises(PictureError, match=r"incomplete|damaged"):
            pictures.decode(saved(Image.fromarray(PHANTOM), kind)[:12])

    def test_flipped_bits_in_a_png_are_found(self) -> None:
        """A PNG whose checksum does not fit is damaged, not half a picture."""
        data = bytearray(saved(Image.fromarray(PHANTOM), "PNG"))
        data[data.index(b"IDAT") + 12] ^= 0xFF
        with pytest.raises(PictureError, match="checksum of its IDAT part"):
            pictures.decode(bytes(data))

    def test_png_with_too_few_rows_is_damaged(self) -> None:
        """Sound checksums around too little data do not make a picture."""
        rows = np.zeros((3, 4, 3), np.uint8)
        sound = png(rows, colour=2, bits=8)
        taller = png(np.zeros((9, 4, 3), np.uint8), colour=2, bits=8)
        head = taller[: taller.index(b"IDAT") - 4]
        data = head + sound[sound.index(b"IDAT") - 4 :]
        with pytest.raises(PictureError, match="damaged"):
            pictures.decode(data)

    @pytest.mark.parametrize("seed", range(150))
    def test_random_damage_never_escapes(self, seed: int) -> None:
        """Whatever bytes change, the answer is a picture or a sentence, nothing else."""
        rng = np.random.default_rng(seed)
        kind = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"][seed % 6]
        noise = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
        data = bytearray(saved(Image.fromarray(noise), kind))
        for _ in range(rng.integers(1, 6)):
            data[rng.integers(0, len(data) if seed % 2 else 120)] = rng.integers(0, 256)
        with contextlib.suppress(InputError):
            picture = pictures.decode(bytes(data), max_pixels=1_000_000)
            assert picture.ndim == 3
            assert picture.shape[2] == 3

    def test_what_is_not_bytes_is_refused(self) -> None:
        """A path or an array is not the bytes of a file."""
        with pytest.raises(PictureError, match="bytes of a picture file, but got str"):
            pictures.decode("eye.png")


class TestLimits:
    """Limits are checked in the header, before anything is decoded."""

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
    def test_pixel_limit(self, kind: str) -> None:
        """One pixel above the limit is refused with both figures; the limit itself is not."""
        data = saved(Image.fromarray(PHANTOM), kind)
        assert pictures.decode(data, max_pixels=48).shape == (6, 8, 3)
        with pytest.raises(TooLargeError, match=r"8×6 .*at most .* megapixels"):
            pictures.decode(data, max_pixels=47)

    @pytest.mark.parametrize("lossless", [False, True])
    def test_simple_webp_headers(self, lossless: bool) -> None:
        """Both kinds of simple WebP state their size where we read it."""
        header = read_header(saved(Image.new("RGB", (300, 17)), "WEBP", lossless=lossless))
        assert (header.width, header.height) == (300, 17)

    def test_a_bomb_is_refused_unopened(self) -> None:
        """A few kilobytes that claim 2.5 gigapixels are refused from the header alone."""
        header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
        body = zlib.compress(bytes(1_000_000))
        parts = [(b"IHDR", header), (b"IDAT", body), (b"IEND", b"")]
        data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, part) for name, part in parts)
        assert len(data) < 5000
        with pytest.raises(TooLargeError, match="50000×50000"):
            pictures.decode(data)

    def test_a_bomb_in_the_text_of_a_png_is_refused(self) -> None:
        """Compressed text that unpacks to 100 MB does not get that far."""
        text = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9))
        indexed = png(np.zeros((2, 2), np.uint8), colour=3, bits=8, extra=(text,))
        with pytest.raises(PictureError, match="damaged"):
            pictures.decode(indexed)

    def test_a_gif_frame_larger_than_its_canvas_is_checked(self) -> None:
        """The canvas says 1×1, the frame 60000×60000: the frame counts."""
        canvas = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
        frame = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x4c\x01\x00;"
        with pytest.raises((TooLargeError, PictureError), match=r"megapixels|far more|damaged"):
            pictures.decode(canvas + frame)

    def test_byte_limit(self) -> None:
        """Files above the limit are refused with both figures."""
        data = saved(Image.fromarray(PHANTOM), "BMP") + bytes(2_000_000)
        with pytest.raises(TooLargeError, match=r"2\.0 MB, but at most 1\.0 MB"):
            pictures.decode(data, max_bytes=1_000_000)

    def test_pillow_s_global_limit_stays(self) -> None:
        """No global setting is touched, and no warning raised, above Pillow's own limit."""
        before = Image.MAX_IMAGE_PIXELS
        wide = Image.new("1", (100_000, 900))
        picture = pictures.decode(saved(wide, "PNG"), max_pixels=100_000_000)
        assert picture.shape == (900, 100_000, 3)
        assert before == Image.MAX_IMAGE_PIXELS

    def test_no_pixels(self) -> None:
        """A picture of width 0 is refused."""
        data = png(np.zeros((1, 0, 3), np.uint8), colour=2, bits=8)
        with pytest.raises(PictureError, match="at least 1×1"):
            pictures.decode(data)


class TestEncoding:
    """Pictures to files."""

    def test_png_is_lossless(self) -> None:
        """PNG gives the same pixels back, also to another library."""
        data = pictures.encode_png(PHANTOM)
        np.testing.assert_array_equal(PHANTOM, np.asarray(Image.open(io.BytesIO(data))))

    def test_views_are_encoded_as_they_look(self) -> None:
        """A mirrored view, which is not contiguous, is encoded as it looks."""
        data = pictures.encode_png(PHANTOM[:, ::-1])
        np.testing.assert_array_equal(PHANTOM[:, ::-1], pictures.decode(data))

    def test_jpeg_quality_matters(self) -> None:
        """A lower quality gives a smaller file; colours stay close."""
        picture = cv2.resize(PHANTOM, (160, 120), interpolation=cv2.INTER_CUBIC)
        fine, coarse = (pictures.encode_jpeg(picture, quality=q) for q in (95, 20))
        assert len(coarse) < len(fine)
        assert np.abs(pictures.decode(fine).astype(int) - picture).mean() < 3

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros((4, 4), np.uint8),
            np.zeros((4, 4, 4), np.uint8),
            np.zeros((4, 4, 3), np.float32),
            np.zeros((0, 4, 3), np.uint8),
        ],
    )
    def test_only_pictures_are_encoded(self, array: np.ndarray) -> None:
        """Other shapes and types are a mistake of the caller."""
        with pytest.raises(PictureError, match=r"Expected a picture \(height, width, 3\) of uint8"):
            pictures.encode_png(array)
