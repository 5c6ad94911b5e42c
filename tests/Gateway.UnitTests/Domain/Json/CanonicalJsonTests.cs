using System.Text.Json;
using Gateway.Domain.Json;
using Xunit;

namespace Gateway.UnitTests.Domain.Json;

public class CanonicalJsonTests
{
    [Theory]
    [InlineData("""{ "b" : 1.0, "a" : [ true, null, 1e3 ] }""", """{"a":[true,null,1e3],"b":1.0}""")]
    [InlineData("""{"é":"\u00e9\u000a\"\\\/","B":{},"a":[]}""", """{"B":{},"a":[],"é":"é\u000a\"\\/"}""")]
    [InlineData("\"\\ud83d\\ude00\"", "\"😀\"")]
    public void Write_AnySpelling_OneForm(string source, string canonical)
    {
        using var document = JsonDocument.Parse(source);
        Assert.Equal(canonical, CanonicalJson.Write(document.RootElement));
    }

    [Fact]
    public void Write_HalfASurrogatePair_Throws()
    {
        using var document = JsonDocument.Parse("\"\\ud83d\"");
        Assert.Throws<InvalidOperationException>(() => CanonicalJson.Write(document.RootElement));
    }
}
