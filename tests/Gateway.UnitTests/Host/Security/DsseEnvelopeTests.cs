using System.Numerics;
using System.Security.Cryptography;
using System.Text;
using Gateway.Security;
using Xunit;

namespace Gateway.UnitTests.Host.Security;

/// <summary>The test vector of the DSSE protocol, version 1.0.0: made by another implementation.</summary>
public class DsseEnvelopeTests
{
    private const string Envelope = """
        {"payload":"aGVsbG8gd29ybGQ=","payloadType":"http://example.com/HelloWorld",
         "signatures":[{"sig":"A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}
        """;

    [Fact]
    public void TheEncodingIsTheStandards() => Assert.Equal(
        "DSSEv1 29 http://example.com/HelloWorld 11 hello world",
        Encoding.UTF8.GetString(DsseEnvelope.PreAuthenticationEncoding("http://example.com/HelloWorld", "hello world"u8)));

    [Theory]
    [InlineData("", "", true)]
    [InlineData("+FnZ+O88", "-FnZ-O88", true)]
    [InlineData("aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGQ", true)]
    [InlineData("aGVsbG8gd29ybGQ=", "aGVsbG8gd29ybGU=", false)]
    [InlineData("HelloWorld", "HelloWorle", false)]
    [InlineData("A3Jq", "A3Jr", false)]
    public void ASignatureHoldsForThisPayloadAndThisTypeOnly(string from, string to, bool holds)
    {
        var json = from.Length == 0 ? Envelope : Envelope.Replace(from, to, StringComparison.Ordinal);
        Assert.True(DsseEnvelope.TryParse(Encoding.UTF8.GetBytes(json), out var envelope));
        using var key = Key();
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Assert.Equal(holds ? key : null, envelope.SignedBy([other, key]));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"payload":"*","payloadType":"x","signatures":[]}""")]
    [InlineData("""{"payload":null,"payloadType":"x","signatures":[]}""")]
    [InlineData("""{"payload":"","payloadType":"x","signatures":[{"sig":1}]}""")]
    public void AnythingElseIsNoEnvelope(string json) => Assert.False(DsseEnvelope.TryParse(Encoding.UTF8.GetBytes(json), out _));

    private static ECDsa Key() => ECDsa.Create(new ECParameters
    {
        Curve = ECCurve.NamedCurves.nistP256,
        Q = new ECPoint
        {
            X = Bytes("46950820868899156662930047687818585632848591499744589407958293238635476079160"),
            Y = Bytes("5640078356564379163099075877009565129882514886557779369047442380624545832820"),
        },
    });

    private static byte[] Bytes(string number)
    {
        var bytes = BigInteger.Parse(number).ToByteArray(isUnsigned: true, isBigEndian: true);
        return [.. new byte[32 - bytes.Length], .. bytes];
    }
}
