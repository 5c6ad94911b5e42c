using Gateway.Model.Text;
using Xunit;

namespace Gateway.UnitTests.Model.Text;

/// <summary>Facts from UAX 15 and the Unicode character database; string.Normalize cannot be the oracle here.</summary>
public sealed class UnicodeNormalizerTests
{
    [Theory]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("\u212B", "\u00C5")]
    [InlineData("\u1E0B\u0323", "\u1E0D\u0307")]
    [InlineData("q\u0307\u0323", "q\u0323\u0307")]
    [InlineData("\u1100\u1161\u11A8", "\uAC01")]
    [InlineData("\uAC00\u11A8", "\uAC01")]
    [InlineData("\u0958", "\u0915\u093C")]
    [InlineData("\uFB01", "\uFB01")]
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("a\u0308\u0301", "\u00E4\u0301")]
    [InlineData("\uD834\uDD5E", "\uD834\uDD57\uD834\uDD65")]
    [InlineData("\uD800x", "\uD800x")]
    [InlineData("", "")]
    public void Nfc(string text, string expected) =>
        Assert.Equal(expected, UnicodeNormalizer.Normalize(text, NormalizationForm.Nfc));

    [Theory]
    [InlineData(NormalizationForm.Nfd, "\u1E69\uAC01", "s\u0323\u0307\u1100\u1161\u11A8")]
    [InlineData(NormalizationForm.Nfkc, "\uFB01\u2460\u1E9B\u0323", "fi1\u1E69")]
    [InlineData(NormalizationForm.Nfkd, "\u00A0\u1E9B\u0323", " s\u0323\u0307")]
    public void Other_forms(NormalizationForm form, string text, string expected) =>
        Assert.Equal(expected, UnicodeNormalizer.Normalize(text, form));

    [Fact]
    public void Normalizing_twice_changes_nothing_more()
    {
        var random = new Random(3);
        int[] points = [0x61, 0x65, 0x301, 0x323, 0x307, 0x1E0B, 0xAC00, 0x1100, 0x1161, 0x11A8, 0x915, 0x93C, 0x1D15E, 0xFB01, 0x9C7, 0x9BE];
        for (var round = 0; round < 2000; round++)
        {
            var text = string.Concat(Enumerable.Range(0, 8).Select(_ => char.ConvertFromUtf32(points[random.Next(points.Length)])));
            foreach (var form in Enum.GetValues<NormalizationForm>())
            {
                var once = UnicodeNormalizer.Normalize(text, form);
                Assert.Equal(once, UnicodeNormalizer.Normalize(once, form));
            }

            // Composition undoes canonical decomposition.
            var decomposed = UnicodeNormalizer.Normalize(text, NormalizationForm.Nfd);
            Assert.Equal(
                UnicodeNormalizer.Normalize(text, NormalizationForm.Nfc), UnicodeNormalizer.Normalize(decomposed, NormalizationForm.Nfc));
        }
    }
}
