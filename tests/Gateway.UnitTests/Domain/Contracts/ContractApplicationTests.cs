using System.Text.Json;
using Gateway.Domain.Contracts;
using Gateway.Domain.Interactions;
using Xunit;

namespace Gateway.UnitTests.Domain.Contracts;

public class ContractApplicationTests
{
    private static readonly ChatMessage User = new() { Role = "user", Content = "hi" };
    private static readonly ChatMessage Caller = new() { Role = "system", Content = "Be kind." };

    [Fact]
    public void Apply_NoSystemPrompt_LeavesMessagesAlone()
    {
        IReadOnlyList<ChatMessage> messages = [Caller, User];
        Assert.Same(messages, ContractApplication.Apply(new ContractContent { SystemPolicy = SystemPolicy.Reject }, messages).Messages);
    }

    [Fact]
    public void Apply_Prepend_JoinsLeadingSystemTextAndKeepsLaterOnes()
    {
        var developer = new ChatMessage { Role = "developer", Content = "Be brief." };
        var content = new ContractContent { SystemPrompt = "Contract." };

        var applied = ContractApplication.Apply(content, [Caller, developer, User, Caller]).Messages!;

        Assert.Equal("Contract.\n\nBe kind.\n\nBe brief.", applied[0].Content);
        Assert.Equal(["system", "user", "system"], applied.Select(m => m.Role));
        Assert.Equal("Contract.", ContractApplication.Apply(content, [User]).Messages![0].Content);
    }

    [Fact]
    public void Apply_Replace_DropsEveryCallerSystemMessage()
    {
        var content = new ContractContent { SystemPrompt = "Contract.", SystemPolicy = SystemPolicy.Replace };
        Assert.Equal(["Contract.", "hi"], ContractApplication.Apply(content, [Caller, User, Caller]).Messages!.Select(m => m.Content));
    }

    [Fact]
    public void Apply_Reject_RefusesASystemMessageOnly()
    {
        var content = new ContractContent { SystemPrompt = "Contract.", SystemPolicy = SystemPolicy.Reject };
        Assert.Equal("system_message_not_allowed", ContractApplication.Apply(content, [Caller, User]).Refusal!.Code);
        Assert.Equal(2, ContractApplication.Apply(content, [User]).Messages!.Count);
    }

    [Fact]
    public void Apply_Variables_AreInsertedAsDataInOnePass()
    {
        var content = new ContractContent
        {
            SystemPrompt = "{{ shop }} / {{n}}",
            Variables = JsonElement.Parse("""{"type":"object","properties":{"shop":{"type":"string"},"n":{"type":"integer"}}}"""),
        };

        var applied = ContractApplication.Apply(content, [User], JsonElement.Parse("""{"shop":"{{n}}","n":3}"""));

        Assert.Equal("{{n}} / 3", applied.Messages![0].Content);
    }

    [Theory]
    [InlineData("""{}""", "missing_variable")]
    [InlineData("""{"shop":"a","town":"b"}""", "unknown_variable")]
    [InlineData("""[]""", "invalid_variables")]
    public void Apply_WrongVariables_AreRefusedByName(string values, string code)
    {
        var content = new ContractContent
        {
            SystemPrompt = "{{shop}}",
            Variables = JsonElement.Parse("""{"type":"object","properties":{"shop":{"type":"string"}}}"""),
        };
        Assert.Equal(code, ContractApplication.Apply(content, [User], JsonElement.Parse(values)).Refusal!.Code);
    }

    [Fact]
    public void Apply_NoDeclaredVariables_BracesAreText()
    {
        var content = new ContractContent { SystemPrompt = "Use {{x}}." };
        Assert.Equal("Use {{x}}.", ContractApplication.Apply(content, [User]).Messages![0].Content);
        Assert.Equal("unknown_variable", ContractApplication.Apply(content, [User], JsonElement.Parse("""{"x":1}""")).Refusal!.Code);
    }

    [Fact]
    public void ARequiredVariable_IsMissedWithoutAnyValues()
    {
        var content = new ContractContent { Variables = JsonElement.Parse("""{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}""") };
        Assert.Equal("missing_variable", ContractApplication.Apply(content, []).Refusal?.Code);
        Assert.Equal("invalid_variable", ContractApplication.Apply(content, [], JsonElement.Parse("""{"x":"one"}""")).Refusal?.Code);
        Assert.Null(ContractApplication.Apply(content, [], JsonElement.Parse("""{"x":1}""")).Refusal);
    }

    [Theory]
    [InlineData(ToolsPolicy.Allow, true, true, "own:contract caller:caller")]
    [InlineData(ToolsPolicy.Allow, true, false, "own:contract")]
    [InlineData(ToolsPolicy.Allow, false, true, "own:caller caller:caller")]
    [InlineData(ToolsPolicy.Replace, true, true, "own:contract")]
    [InlineData(ToolsPolicy.Replace, false, true, "")]
    [InlineData(ToolsPolicy.Reject, true, false, "own:contract")]
    [InlineData(ToolsPolicy.Reject, true, true, "refused")]
    public void Tools_AreJoinedAsThePolicySays(ToolsPolicy policy, bool brings, bool sends, string expected)
    {
        var content = new ContractContent { ToolsPolicy = policy, Tools = brings ? Tools("contract", "own") : null };
        var applied = ContractApplication.Apply(content, [], null, sends ? Tools("caller", "own", "caller") : null);
        var seen = applied.Refusal is not null ? "refused" : string.Join(' ', (applied.Tools?.EnumerateArray() ?? default).Select(tool =>
            $"{tool.GetProperty("function").GetProperty("name").GetString()}:{tool.GetProperty("function").GetProperty("description").GetString()}"));
        Assert.Equal(expected, seen);
    }

    private static JsonElement Tools(string from, params string[] names) => JsonElement.Parse(
        "[" + string.Join(',', names.Select(name => $$$"""{"type":"function","function":{"name":"{{{name}}}","description":"{{{from}}}"}}""")) + "]");
}
