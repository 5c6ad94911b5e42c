using FsCheck;
using FsCheck.Fluent;
using Gateway.Domain.Privacy;
using Xunit;

namespace Gateway.UnitTests.Domain.Privacy;

public class PiiRedactorTests
{
    [Theory]
    [InlineData("Write to jane.doe+x@mail.example.co.uk.", "Write to <EMAIL_ADDRESS>.")]
    [InlineData("<bob@example.com>, müller@exämple.de", "<<EMAIL_ADDRESS>>, <EMAIL_ADDRESS>")]
    [InlineData("card 4111 1111 1111 1111 12/26", "card <CREDIT_CARD> 12/26")]
    [InlineData("378282246310005 and 5555-5555-5555-4444", "<CREDIT_CARD> and <CREDIT_CARD>")]
    [InlineData("IBAN DE89 3704 0044 0532 0130 00, thanks", "IBAN <IBAN_CODE>, thanks")]
    [InlineData("gb82west12345698765432", "<IBAN_CODE>")]
    [InlineData("from 192.168.0.1.", "from <IP_ADDRESS>.")]
    [InlineData("http://10.0.0.7:8080/x", "http://<IP_ADDRESS>:8080/x")]
    [InlineData("[2001:db8::8a2e:370:7334] or ::1", "[<IP_ADDRESS>] or <IP_ADDRESS>")]
    [InlineData("+49 (0)30 1234567", "<PHONE_NUMBER>")]
    [InlineData("Ring (555) 123-4567 2 times", "Ring <PHONE_NUMBER> 2 times")]
    [InlineData("555-123-4567, 030 12345678, 06 12 34 56 78", "<PHONE_NUMBER>, <PHONE_NUMBER>, <PHONE_NUMBER>")]
    [InlineData("my phone is 5551234567", "my phone is <PHONE_NUMBER>")]
    public void Redact_PersonalData_IsReplaced(string text, string expected) => Assert.Equal(expected, PiiRedactor.Redact(text).Text);

    [Theory]
    [InlineData("order 12345678 of 2024-01-15 at 12:30:45")]
    [InlineData("on 05/01/2024 10:30 and 01.02.2024")]
    [InlineData("4111 1111 1111 1112")]
    [InlineData("DE89370400440532013001")]
    [InlineData("version 1.2.3.4, v1.2.3.4, 1.2.3, 300.1.1.1, 1.2.3.4.5")]
    [InlineData("std::vector, a::b, 10:20")]
    [InlineData("it costs $12345678 or 1 000 000")]
    [InlineData("user@localhost and @mention and a@b.c1")]
    [InlineData("abc4111111111111111 0000001234")]
    [InlineData("#5551234567")]
    [InlineData("")]
    public void Redact_LookAlikes_Stay(string text)
    {
        var redaction = PiiRedactor.Redact(text);
        Assert.Equal(text, redaction.Text);
        Assert.Empty(redaction.Counts);
    }

    [Fact]
    public void Redact_CountsByKind()
    {
        var counts = PiiRedactor.Redact("a@b.com, c@d.org, 10.1.1.1").Counts;
        Assert.Equal(2, counts["EMAIL_ADDRESS"]);
        Assert.Equal(1, counts["IP_ADDRESS"]);
        Assert.Equal(2, counts.Count);
    }

    [Fact]
    public void Redact_ASecondPass_FindsNothing()
    {
        string[] pieces =
        [
            "a@b.com", "4111 1111 1111 1111", "DE89370400440532013000", "10.0.0.1", "::1", "+4930123456", "555-123-4567", "call", "phone",
            "0", "12", "1234567", " ", " ", "-", ".", ":", "(", ")", "/", "+", "<", ">", "@", "x", "ü", "v",
        ];
        var texts = Gen.Elements(pieces).ListOf().Select(string.Concat).ToArbitrary();
        Prop.ForAll(texts, text =>
        {
            var once = PiiRedactor.Redact(text).Text;
            var twice = PiiRedactor.Redact(once);
            return twice.Counts.Count == 0 && twice.Text == once;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000).WithEndSize(30));
    }

    [Fact]
    public void Redact_LongRuns_AreReadOnce()
    {
        // A quadratic pass over these would not end within the test run.
        foreach (var text in new[] { "a", "1", "a@", "1 ", ".", ":", "f:", "1.", "+1", "DE89 " })
        {
            var repeated = string.Concat(Enumerable.Repeat(text, 100_000 / text.Length));
            Assert.NotNull(PiiRedactor.Redact(repeated).Text);
        }
    }
}
