using System.Text.Json;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Gateway.Domain.Json;
using Xunit;

namespace Gateway.UnitTests.Domain.Contracts;

public class ContractHasherTests
{
    private static readonly ContractContent Content = new()
    {
        SystemPrompt = "Answer in JSON.",
        OutputSchema = Parse("""{"type":"object","required":["intent"]}"""),
        Sampling = new SamplingDefaults { Temperature = 0, MaxTokens = 32 },
    };

    [Fact]
    public void SamplingAndOutputMode_MoveOnlyTheContractHash()
    {
        foreach (var changed in new[]
                 {
                     Content with { OutputMode = OutputMode.Enforce },
                     Content with { Sampling = Content.Sampling with { MaxTokens = 33 } },
                     Content with { Sampling = Content.Sampling with { Stop = ["\n"] } },
                     Content with { Sampling = Content.Sampling with { MaxTemperature = 1 } },
                     Content with { Flags = new FlagRules() },
                     Content with { Flags = new FlagRules { TotalMs = 5 } },
                 })
        {
            Assert.Equal(ContractHasher.PromptHash(Content), ContractHasher.PromptHash(changed));
            Assert.NotEqual(ContractHasher.ContractHash(Content), ContractHasher.ContractHash(changed));
        }
    }

    [Fact]
    public void WhatTheModelSees_MovesBothHashes()
    {
        foreach (var changed in new[]
                 {
                     Content with { SystemPrompt = "Answer in JSON" },
                     Content with { SystemPrompt = null },
                     Content with { SystemPolicy = SystemPolicy.Reject },
                     Content with { ChatTemplate = "{{ messages }}" },
                     Content with { Variables = Parse("{}") },
                     Content with { OutputSchema = Parse("""{"type":"object","required":["intents"]}""") },
                     Content with { Tools = Parse("[]") },
                     Content with { ToolsPolicy = ToolsPolicy.Reject },
                 })
        {
            Assert.NotEqual(ContractHasher.PromptHash(Content), ContractHasher.PromptHash(changed));
            Assert.NotEqual(ContractHasher.ContractHash(Content), ContractHasher.ContractHash(changed));
        }
    }

    [Fact]
    public void Hashes_OfContractsMadeEarlier_StayWhatTheyWere()
    {
        Assert.Equal("0633aed48beadbed1c035e634a52e9c50ee349033094aa2f98a97c787548bcc0", ContractHasher.PromptHash(Content));
        Assert.Equal("8e7f807ee47a0685546b303ccfa4ec518afea302abd35640c466bec9132eeeb6", ContractHasher.ContractHash(Content));
    }

    [Fact]
    public void SpellingOfTheSchema_MovesNothing()
    {
        var respelled = Content with { OutputSchema = Parse("""{ "required" : ["intent"], "type" : "object" }""") };
        Assert.Equal(ContractHasher.ContractHash(Content), ContractHasher.ContractHash(respelled));
    }

    [Fact]
    public void Hashes_SurviveAStoreRoundTrip()
    {
        var contract = ContractHasher.Create("triage", 1, Content, default, "me");
        var back = JsonSerializer.Deserialize(JsonSerializer.SerializeToUtf8Bytes(contract, DomainJson.Default.Contract), DomainJson.Default.Contract)!;

        Assert.Equal(contract.ContractHash, ContractHasher.ContractHash(back.Content));
        Assert.Matches("^[0-9a-f]{64}$", contract.PromptHash);
    }

    [Theory]
    [InlineData("triage", true)]
    [InlineData("a.b_c-1", true)]
    [InlineData("", false)]
    [InlineData("Triage", false)]
    [InlineData("a/b", false)]
    [InlineData("a\n", false)]
    public void IsName_FollowsTheRule(string name, bool valid) => Assert.Equal(valid, ContractNames.IsName(name));

    [Fact]
    public void Labels_AreShortMovableAndNeverVersions()
    {
        Assert.True(ContractNames.IsMovableLabel("production"));
        Assert.False(ContractNames.IsMovableLabel("latest"));
        Assert.False(ContractNames.IsLabel("12"));
        Assert.False(ContractNames.IsLabel(new string('a', 37)));
        Assert.False(ContractNames.IsName(new string('a', 65)));
    }

    private static JsonElement Parse(string json) => JsonElement.Parse(json);
}
