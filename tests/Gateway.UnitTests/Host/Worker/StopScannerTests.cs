using Gateway.Worker;
using Xunit;

namespace Gateway.UnitTests.Host.Worker;

public sealed class StopScannerTests
{
    [Theory]
    [InlineData("hello END world", "END", "hello ")]
    [InlineData("ababac", "abac", "ab")]
    [InlineData("xabcdy", "abcd|bc", "xa")]
    [InlineData("xabcy", "bc|abc", "x")]
    [InlineData("no match here EN", "END", "no match here EN")]
    [InlineData("aaab", "aab", "a")]
    public void Append_AnyCutIntoPieces_GivesTheTextBeforeTheFirstCompleteStop(string text, string stops, string expected)
    {
        // Every way to cut the text into two borders, and one character at a time.
        for (var first = 0; first <= text.Length; first++)
        {
            for (var second = first; second <= text.Length; second++)
            {
                Assert.Equal(expected, Run([text[..first], text[first..second], text[second..]], stops.Split('|')));
            }
        }

        Assert.Equal(expected, Run([.. text.Select(c => c.ToString())], stops.Split('|')));
    }

    [Fact]
    public void Append_PossibleBeginningOfAStop_IsHeldBackUntilDecided()
    {
        var scanner = new StopScanner(["END"]);

        Assert.Equal("a", scanner.Append("aE"));
        Assert.Equal("", scanner.Append("N"));
        Assert.Equal("ENx", scanner.Append("x"));
        Assert.False(scanner.Stopped);
    }

    private static string Run(string[] pieces, string[] stops)
    {
        var scanner = new StopScanner(stops);
        var text = "";
        foreach (var piece in pieces)
        {
            text += scanner.Append(piece);
            if (scanner.Stopped)
            {
                return text;
            }
        }

        return text + scanner.Flush();
    }
}
