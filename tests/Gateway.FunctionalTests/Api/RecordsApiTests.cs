using System.Net;
using System.Text;
using System.Text.Json;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.Security;
using Xunit;

namespace Gateway.FunctionalTests.Api;

public sealed class RecordsApiTests : IAsyncLifetime
{
    private const string Schema = """{"type":"object","required":["intent"],"properties":{"intent":{"type":"string"}}}""";
    private GatewayUnderTest _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await GatewayUnderTest.StartAsync();

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task A_first_start_has_the_base_deployment_and_lists_it_as_a_model()
    {
        var models = await _gateway.GetAsync("/v1/models");
        var card = Assert.Single(models.GetProperty("data").EnumerateArray());
        Assert.Equal("starter", card.GetProperty("id").GetString());
        Assert.Equal("model", card.GetProperty("object").GetString());
        Assert.Equal(JsonValueKind.Null, card.GetProperty("parent").ValueKind);
        Assert.Equal("starter", (await _gateway.GetAsync("/v1/models/starter")).GetProperty("id").GetString());
        using var missing = await _gateway.Client.GetAsync("/v1/models/no%2Fbody", TestContext.Current.CancellationToken);
        Assert.Equal("model_not_found", await GatewayUnderTest.ErrorCodeAsync(missing, 404));
        Assert.Equal("ready", (await _gateway.GetAsync("/health/ready")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task Contract_versions_count_up_and_identical_content_is_the_existing_version()
    {
        Assert.Equal((HttpStatusCode.Created, 1), await CreateAsync("one"));
        Assert.Equal((HttpStatusCode.Created, 2), await CreateAsync("two"));
        Assert.Equal((HttpStatusCode.OK, 1), await CreateAsync("one"));
        var versions = await _gateway.GetAsync("/v1/contracts/triage/versions");
        Assert.Equal(2, versions.GetProperty("data").GetArrayLength());
        Assert.Equal("two", (await _gateway.GetAsync("/v1/contracts/triage?label=latest")).GetProperty("content").GetProperty("system_prompt").GetString());

        async Task<(HttpStatusCode, int)> CreateAsync(string prompt)
        {
            using var response = await _gateway.PostAsync("/v1/contracts", $$$"""{"name":"triage","content":{"system_prompt":"{{{prompt}}}"}}""");
            return (response.StatusCode, (await GatewayUnderTest.ReadAsync(response)).GetProperty("version").GetInt32());
        }
    }

    [Fact]
    public async Task A_label_moves_by_compare_and_set_and_a_missing_one_is_never_replaced()
    {
        foreach (var prompt in (string[])["one", "two"])
        {
            using var created = await _gateway.PostAsync("/v1/contracts", $$$"""{"name":"triage","content":{"system_prompt":"{{{prompt}}}"}}""");
        }

        using var missing = await _gateway.Client.GetAsync("/v1/contracts/triage", TestContext.Current.CancellationToken);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(missing, 404));

        using var first = await _gateway.PutAsync("/v1/contracts/triage/labels/production", """{"version":1}""");
        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        using var stale = await _gateway.PutAsync("/v1/contracts/triage/labels/production", """{"version":2}""");
        Assert.Equal("generation_mismatch", await GatewayUnderTest.ErrorCodeAsync(stale, 409));
        using var moved = await _gateway.PutAsync("/v1/contracts/triage/labels/production", """{"version":2,"expected_version":1}""");
        Assert.Equal(HttpStatusCode.OK, moved.StatusCode);
        Assert.Equal(2, (await _gateway.GetAsync("/v1/contracts/triage")).GetProperty("version").GetInt32());
        using var both = await _gateway.Client.GetAsync("/v1/contracts/triage?version=1&label=x", TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, both.StatusCode);
        using var reserved = await _gateway.PutAsync("/v1/contracts/triage/labels/latest", """{"version":1}""");
        Assert.Equal("invalid_value", await GatewayUnderTest.ErrorCodeAsync(reserved, 400));
    }

    [Theory]
    [InlineData("""{"name":"Bad Name","content":{}}""", "invalid_value")]
    [InlineData("""{"name":"x"}""", "missing_required_parameter")]
    [InlineData("""{"name":"x","content":{"system_promt":"typo"}}""", "unknown_parameter")]
    [InlineData("""{"name":"x","content":{},"extra":1}""", "unknown_parameter")]
    [InlineData("""{"name":"x","content":{"output_mode":"enforce"}}""", "invalid_value")]
    [InlineData("""{"name":"x","content":{"output_mode":"enforce","output_schema":{"oneOf":[{"type":"string"},{"type":["string","null"]}]}}}""", "unsupported_schema")]
    [InlineData("""{"name":"x","content":{"chat_template":"{% for %}"}}""", "invalid_value")]
    [InlineData("""{"name":"x","content":{"tools":[{"type":"function"}]}}""", "invalid_value")]
    [InlineData("""{"name":"x","content":{"flags":{"off":["error"]}}}""", "invalid_value")]
    [InlineData("""{"name":"x","content":{"flags":{"slow":1}}}""", "unknown_parameter")]
    [InlineData("""{"name":"x","content":{"sampling":{"max_tokens":5,"default_max_tokens":6}}}""", "invalid_value")]
    [InlineData("""{"name":"x","content":{"output_schema":{"type":"object","unevaluatedProperties":false}}}""", "unsupported_schema")]
    [InlineData("""{"name":"x","content":{"sampling":{"temperature":3}}}""", "invalid_value")]
    [InlineData("""{"name":"x","content":{"system_prompt":5}}""", "invalid_value")]
    public async Task A_contract_that_could_not_be_served_is_refused(string body, string code)
    {
        using var response = await _gateway.PostAsync("/v1/contracts", body);
        Assert.Equal(code, await GatewayUnderTest.ErrorCodeAsync(response, 400));
    }

    [Fact]
    public async Task A_deployment_moves_only_from_the_release_the_caller_expects()
    {
        var release = await _gateway.CreateReleaseAsync(null, null);
        using var stale = await _gateway.PutAsync("/v1/deployments/starter", $$"""{"release_id":"{{release}}","expected_release_id":"rel_other"}""");
        Assert.Equal("generation_mismatch", await GatewayUnderTest.ErrorCodeAsync(stale, 409));
        Assert.Equal("false", stale.Headers.GetValues("x-should-retry").Single());

        using var named = await _gateway.PostAsync("/v1/deployments", $$"""{"name":"team/bot","release_id":"{{release}}"}""");
        Assert.Equal(HttpStatusCode.Created, named.StatusCode);
        using var taken = await _gateway.PostAsync("/v1/deployments", $$"""{"name":"team/bot","release_id":"{{release}}"}""");
        Assert.Equal("deployment_exists", await GatewayUnderTest.ErrorCodeAsync(taken, 409));
        Assert.Equal("team/bot", (await _gateway.GetAsync("/v1/deployments/team%2Fbot")).GetProperty("name").GetString());
        Assert.Equal("team/bot", (await _gateway.GetAsync("/v1/models/team/bot")).GetProperty("id").GetString());
    }

    [Fact]
    public async Task Loading_an_adapter_makes_a_deployment_and_unloading_removes_it()
    {
        var folder = Path.Combine(_gateway.DataFolder, "import", "mine");
        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        Directory.Move(_gateway.Model.WriteAdapter(3), folder);

        using var outside = await _gateway.PostAsync("/v1/load_lora_adapter", """{"lora_name":"mine","lora_path":"../../etc"}""");
        Assert.Equal("adapter_path_not_found", await GatewayUnderTest.ErrorCodeAsync(outside, 404));

        using var loaded = await _gateway.PostAsync("/v1/load_lora_adapter", """{"lora_name":"mine","lora_path":"mine"}""");
        Assert.Equal("Success: LoRA adapter 'mine' added successfully.", await loaded.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        using var again = await _gateway.PostAsync("/v1/load_lora_adapter", """{"lora_name":"mine","lora_path":"mine"}""");
        Assert.Equal("lora_adapter_already_loaded", await GatewayUnderTest.ErrorCodeAsync(again, 400));
        var card = await _gateway.GetAsync("/v1/models/mine");
        Assert.Equal("starter", card.GetProperty("parent").GetString());
        Assert.Equal(4, card.GetProperty("rank").GetInt32());
        var generation = card.GetProperty("adapter_generation").GetString();

        using var unsaid = await _gateway.PostAsync("/v1/load_lora_adapter", """{"lora_name":"mine","lora_path":"mine","expected_generation":"x"}""");
        Assert.Equal("invalid_lora_load_policy", await GatewayUnderTest.ErrorCodeAsync(unsaid, 400));
        using var stale = await _gateway.PostAsync("/v1/load_lora_adapter", """{"lora_name":"mine","lora_path":"mine","load_inplace":true,"expected_generation":"x"}""");
        Assert.Equal("lora_generation_mismatch", await GatewayUnderTest.ErrorCodeAsync(stale, 409));
        using var swapped = await _gateway.PostAsync("/v1/load_lora_adapter", $$"""{"lora_name":"mine","lora_path":"mine","load_inplace":true,"expected_generation":"{{generation}}"}""");
        Assert.Equal(HttpStatusCode.OK, swapped.StatusCode);
        using var kept = await _gateway.PostAsync("/v1/unload_lora_adapter", """{"lora_name":"mine","expected_generation":"x"}""");
        Assert.Equal("lora_generation_mismatch", await GatewayUnderTest.ErrorCodeAsync(kept, 409));

        using var unloaded = await _gateway.PostAsync("/v1/unload_lora_adapter", """{"lora_name":"mine"}""");
        Assert.Equal(HttpStatusCode.OK, unloaded.StatusCode);
        using var chat = await _gateway.ChatAsync("mine");
        Assert.Equal("model_not_found", await GatewayUnderTest.ErrorCodeAsync(chat, 404));
        using var notAnAdapter = await _gateway.PostAsync("/v1/unload_lora_adapter", """{"lora_name":"starter"}""");
        Assert.Equal("lora_adapter_not_found", await GatewayUnderTest.ErrorCodeAsync(notAnAdapter, 404));
    }

    [Fact]
    public async Task A_fine_tuned_model_can_be_deleted_and_the_base_cannot()
    {
        await _gateway.DeployAsync("team/tuned", null, await _gateway.ImportAdapterAsync(5));
        using var deleted = await _gateway.Client.DeleteAsync("/v1/models/team/tuned", TestContext.Current.CancellationToken);
        var reply = await GatewayUnderTest.ReadAsync(deleted);
        Assert.Equal(("team/tuned", "model", true), (reply.GetProperty("id").GetString(), reply.GetProperty("object").GetString(), reply.GetProperty("deleted").GetBoolean()));
        using var gone = await _gateway.Client.DeleteAsync("/v1/models/team/tuned", TestContext.Current.CancellationToken);
        Assert.Equal("model_not_found", await GatewayUnderTest.ErrorCodeAsync(gone, 404));
        using var plain = await _gateway.Client.DeleteAsync("/v1/models/starter", TestContext.Current.CancellationToken);
        Assert.Equal("model_not_fine_tuned", await GatewayUnderTest.ErrorCodeAsync(plain, 409));
    }

    [Fact]
    public async Task A_broken_adapter_is_refused_without_telling_where_it_lies()
    {
        var folder = Path.Combine(_gateway.DataFolder, "import", "broken");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "adapter_config.json"), "{}", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "adapter_model.safetensors"), "x", TestContext.Current.CancellationToken);
        using var response = await _gateway.PostAsync("/v1/adapters/import", """{"path":"broken"}""");
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

        Assert.Equal("invalid_lora_adapter", await GatewayUnderTest.ErrorCodeAsync(response, 422));
        Assert.DoesNotContain(_gateway.DataFolder, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Feedback_is_idempotent_by_key_and_retractable()
    {
        var id = await ChatIdAsync("starter");
        using var first = await FeedbackAsync($$"""{"response_id":"{{id}}","kind":"thumbs","value":false}""", key: "k1");
        using var repeat = await FeedbackAsync($$"""{"kind":"thumbs","response_id":"{{id}}","value":false}""", key: "k1");
        using var misuse = await FeedbackAsync($$"""{"response_id":"{{id}}","kind":"thumbs","value":true}""", key: "k1");

        Assert.Equal(HttpStatusCode.Created, first.StatusCode);
        Assert.Equal(HttpStatusCode.OK, repeat.StatusCode);
        var feedback = await GatewayUnderTest.ReadAsync(first);
        Assert.Equal("recorded", feedback.GetProperty("status").GetString());
        var feedbackId = feedback.GetProperty("id").GetString();
        Assert.Equal(feedbackId, (await GatewayUnderTest.ReadAsync(repeat)).GetProperty("id").GetString());
        Assert.Equal("idempotency_key_reused", await GatewayUnderTest.ErrorCodeAsync(misuse, 409));

        for (var i = 0; i < 2; i++)
        {
            using var deleted = await _gateway.Client.DeleteAsync($"/v1/feedback/{feedbackId}", TestContext.Current.CancellationToken);
            Assert.True((await GatewayUnderTest.ReadAsync(deleted)).GetProperty("deleted").GetBoolean());
        }

        var item = Assert.Single((await _gateway.GetAsync($"/v1/feedback?response_id={id}")).GetProperty("data").EnumerateArray());
        Assert.Equal("retracted", item.GetProperty("status").GetString());
        using var unknown = await _gateway.Client.DeleteAsync("/v1/feedback/fb_no", TestContext.Current.CancellationToken);
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(unknown, 404));
    }

    [Fact]
    public async Task Feedback_on_what_was_never_answered_is_refused_and_on_what_is_not_visible_yet_is_pending()
    {
        using var forged = await FeedbackAsync("""{"response_id":"chatcmpl-0000000000000000000000000000000000000000","kind":"thumbs","value":true}""");
        Assert.Equal("interaction_not_found", await GatewayUnderTest.ErrorCodeAsync(forged, 404));

        var issued = _gateway.Service<ResponseIdSigner>().Issue();
        using var pending = await FeedbackAsync($$"""{"response_id":"{{issued}}","kind":"score","value":0.5}""");
        Assert.Equal(HttpStatusCode.Accepted, pending.StatusCode);
        Assert.Equal("pending", (await GatewayUnderTest.ReadAsync(pending)).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_correction_must_satisfy_the_contract_that_answered()
    {
        using (var contract = await _gateway.PostAsync("/v1/contracts", $$$"""{"name":"triage","content":{"output_schema":{{{Schema}}} }}"""))
        {
            await GatewayUnderTest.ReadAsync(contract);
        }

        var release = await _gateway.CreateReleaseAsync("triage@1", null);
        using (var deployed = await _gateway.PostAsync("/v1/deployments", $$"""{"name":"triage","release_id":"{{release}}"}"""))
        {
            await GatewayUnderTest.ReadAsync(deployed);
        }

        var id = await ChatIdAsync("triage");
        using var wrong = await FeedbackAsync($$"""{"response_id":"{{id}}","kind":"correction","value":"{\"intnt\":1}"}""");
        Assert.Equal("schema_violation", await GatewayUnderTest.ErrorCodeAsync(wrong, 422));
        using var right = await FeedbackAsync($$"""{"response_id":"{{id}}","kind":"correction","value":{"role":"assistant","content":"{\"intent\":\"tea\"}"} }""");
        Assert.Equal("""{"intent":"tea"}""", (await GatewayUnderTest.ReadAsync(right)).GetProperty("text").GetString());
    }

    [Theory]
    [InlineData("""{"kind":"thumbs","value":true}""", "missing_required_parameter")]
    [InlineData("""{"response_id":"r","kind":"stars","value":true}""", "invalid_value")]
    [InlineData("""{"response_id":"r","kind":"thumbs","value":"yes"}""", "invalid_value")]
    [InlineData("""{"response_id":"r","kind":"score","value":1.5}""", "invalid_value")]
    [InlineData("""{"response_id":"r","kind":"thumbs","value":true,"colour":"red"}""", "unknown_parameter")]
    [InlineData("""{"response_id":"r","kind":"thumbs","value":true,"tags":{"a":1}}""", "invalid_value")]
    public async Task Malformed_feedback_is_refused(string body, string code)
    {
        using var response = await FeedbackAsync(body);
        Assert.Equal(code, await GatewayUnderTest.ErrorCodeAsync(response, 400));
    }

    [Fact]
    public async Task Every_failure_has_the_form_of_an_error()
    {
        using var unknown = await _gateway.Client.GetAsync("/v1/nothing", TestContext.Current.CancellationToken);
        Assert.Equal("unknown_url", await GatewayUnderTest.ErrorCodeAsync(unknown, 404));
        using var method = await _gateway.Client.DeleteAsync("/v1/chat/completions", TestContext.Current.CancellationToken);
        Assert.Equal("method_not_allowed", await GatewayUnderTest.ErrorCodeAsync(method, 405));
        using var media = await _gateway.Client.PostAsync("/v1/chat/completions", new StringContent("x"), TestContext.Current.CancellationToken);
        Assert.Equal("unsupported_media_type", await GatewayUnderTest.ErrorCodeAsync(media, 415));
        using var json = await _gateway.PostAsync("/v1/feedback", "{");
        Assert.Equal("invalid_json", await GatewayUnderTest.ErrorCodeAsync(json, 400));
        using var query = await _gateway.Client.GetAsync("/v1/interactions?limit=many", TestContext.Current.CancellationToken);
        Assert.Equal("invalid_value", await GatewayUnderTest.ErrorCodeAsync(query, 400));
        using var large = await _gateway.PostAsync("/v1/chat/completions", new string(' ', 9 << 20));
        Assert.Equal("request_too_large", await GatewayUnderTest.ErrorCodeAsync(large, 413));
    }

    private async Task<string> ChatIdAsync(string model)
    {
        using var response = await _gateway.ChatAsync(model);
        return (await GatewayUnderTest.ReadAsync(response)).GetProperty("id").GetString()!;
    }

    private Task<HttpResponseMessage> FeedbackAsync(string json, string? key = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/feedback") { Content = new StringContent(json, Encoding.UTF8, "application/json") };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return _gateway.Client.SendAsync(request, TestContext.Current.CancellationToken);
    }
}
