using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gateway.FunctionalTests.Sdk;
using Gateway.TestKit;
using Xunit;

namespace Gateway.FunctionalTests.Worker;

/// <summary>Ten thousand requests that are nearly right: each is answered in time, none with a 5xx, and nothing stays behind.</summary>
public sealed class MutatedRequestsTests
{
    private const int Requests = 10_000;
    private const int AtOnce = 12;

    private static readonly (string Path, string Body)[] s_seeds =
    [
        ("/v1/chat/completions", """{"model":"tiny","messages":[{"role":"system","content":"a"},{"role":"user","content":[{"type":"text","text":"b"}]}],"max_tokens":3,"temperature":1,"top_p":0.9,"seed":1,"stop":["x"],"n":2,"stream":true,"stream_options":{"include_usage":true}}"""),
        ("/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"c"}],"max_completion_tokens":2,"logprobs":true,"top_logprobs":3,"logit_bias":{"5":1},"frequency_penalty":0.1,"presence_penalty":0.1,"repetition_penalty":1.1,"min_p":0.1,"min_tokens":1,"stop_token_ids":[7],"metadata":{"k":"v"}}"""),
        ("/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"d"}],"max_tokens":9,"response_format":{"type":"json_schema","json_schema":{"name":"r","strict":true,"schema":{"type":"object","properties":{"a":{"enum":["x","y"]}},"required":["a"]}}}}"""),
        ("/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"e"},{"role":"assistant","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"i","content":"g"}],"max_tokens":9,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}}],"tool_choice":"required","parallel_tool_calls":false,"chat_template":"{% for m in messages %}{{ m.content }}{% endfor %}{{ tools }}<tool_call>"}"""),
        ("/v1/chat/completions", """{"model":"tiny","messages":[{"role":"user","content":"h"}],"max_tokens":4,"structured_outputs":{"regex":"[ab]{2}c*"},"chat_template_kwargs":{"a":[1]},"user":"u","ignore_eos":false}"""),
        ("/v1/completions", """{"model":"tiny","prompt":["one",[5,6]],"max_tokens":2,"n":1,"best_of":2,"echo":true,"logprobs":2,"stop":"z","seed":3}"""),
        ("/v1/completions", """{"model":"tiny","prompt":[1,2,3],"max_tokens":2,"stream":true,"suffix":null,"user":"u"}"""),
        ("/v1/embeddings", """{"model":"tiny","input":["one",[5,6]],"encoding_format":"base64","dimensions":32,"user":"u"}"""),
        ("/v1/responses", """{"model":"tiny","input":[{"role":"user","content":[{"type":"input_text","text":"b"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"o"}],"instructions":"i","max_output_tokens":3,"stream":true,"metadata":{"k":"v"},"truncation":"auto","include":["message.output_text.logprobs"],"top_logprobs":2,"reasoning":{"effort":"low"},"store":true}"""),
        ("/v1/responses", """{"model":"tiny","input":"e","max_output_tokens":9,"text":{"format":{"type":"json_schema","name":"r","strict":true,"schema":{"type":"object","properties":{"a":{"enum":["x","y"]}},"required":["a"]}},"verbosity":"low"},"tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}],"tool_choice":"none","previous_response_id":null,"store":false,"user":"u"}"""),
        ("/tokenize", """{"model":"tiny","prompt":"one","add_special_tokens":true,"return_token_strs":true}"""),
        ("/detokenize", """{"model":"tiny","tokens":[5,6,7]}"""),
        ("/v1/load_lora_adapter", """{"lora_name":"a","lora_path":"nowhere","load_inplace":true}"""),
    ];

    private static readonly string[] s_junk =
    [
        "null", "true", "false", "0", "1", "2", "-1", "0.5", "-0.0", "1e308", "12345678901234567890", "[]", "{}", "[[]]", "[null]", "\"\"", "\"\\u0000\"", "\"x\"", "\"\\ud83d\\ude00\"",
        "\"auto\"", "\"required\"", "{\"type\":\"function\"}", "{\"type\":\"object\"}", "{\"a\":{\"b\":[{}]}}", "[1,\"a\",{}]", "[-1]", "[2147483647]", "\"{{ 1 / 0 }}{% for i in range(9) %}{{ i }}{% endfor %}\"",
    ];

    [Fact]
    public async Task TenThousandMutatedRequests_NoServerErrorNoHangNothingLeft()
    {
        // A short context, because a request without a limit fills it.
        await using var server = new WorkerServer(contextLength: 160);
        await server.InitializeAsync();
        await SendAsync(server.Client, s_seeds);
        while (server.Runtime.Engine.Statistics is not { Running: 0, Waiting: 0 })
        {
            await Task.Yield();
        }

        EngineFuzz.AssertIdle(server.Runtime.Engine);
    }

    /// <summary>As many through the front door, which records what names a deployment, in each of its dialects.</summary>
    [Theory]
    [InlineData("/v1/chat/completions")]
    [InlineData("/v1/completions")]
    [InlineData("/v1/responses")]
    [InlineData("/v1/embeddings")]
    public async Task TenThousandMutatedRequestsThroughTheFrontDoor_NoServerErrorNoHangNothingLeft(string path)
    {
        await using var served = await ServedModel.StartAsync(contextLength: 160);
        await SendAsync(served.Client, [.. s_seeds.Where(seed => seed.Path == path).Select(seed => (path, seed.Body.Replace("\"tiny\"", "\"starter\"", StringComparison.Ordinal)))]);
        var workers = await served.Client.GetFromJsonAsync<JsonElement>("/v1/workers", TestContext.Current.CancellationToken);
        var worker = new Uri(Assert.Single(workers.GetProperty("data").EnumerateArray()).GetProperty("url").GetString()!);
        while (true)
        {
            var metrics = await served.Client.GetStringAsync(new Uri(worker, "/metrics"), TestContext.Current.CancellationToken);
            if (IsZero(metrics, "vllm:num_requests_running") && IsZero(metrics, "vllm:num_requests_waiting"))
            {
                return;
            }
        }
    }

    private static bool IsZero(string metrics, string name) =>
        Assert.Single(metrics.Split('\n'), line => line.StartsWith(name + "{", StringComparison.Ordinal)).EndsWith(" 0", StringComparison.Ordinal);

    private static async Task SendAsync(HttpClient client, (string Path, string Body)[] seeds)
    {
        var answered = new int[6];
        var options = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = TestContext.Current.CancellationToken };
        await Parallel.ForEachAsync(Enumerable.Range(0, Requests), options, async (number, cancellation) =>
        {
            var random = new Random(number);
            var (path, body) = Mutate(random, seeds);
            using var content = new ByteArrayContent(body);
            content.Headers.TryAddWithoutValidation("Content-Type", random.Next(50) == 0 ? "text/plain" : "application/json");
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(TimeSpan.FromMinutes(1));
            using var response = await client.PostAsync(path, content, limit.Token);
            var text = await response.Content.ReadAsStringAsync(limit.Token);
            Assert.True((int)response.StatusCode < 500, $"{number}: {(int)response.StatusCode} {text} for {path} {Encoding.UTF8.GetString(body)}");
            Interlocked.Increment(ref answered[(int)response.StatusCode / 100]);
        });

        // Most are refused; enough go through for this to say something about the engine.
        Assert.Equal(Requests, answered.Sum());
        Assert.InRange(answered[2], Requests / 20, Requests * 19 / 20);
    }

    private static (string Path, byte[] Body) Mutate(Random random, (string Path, string Body)[] seeds)
    {
        var (path, seed) = seeds[random.Next(seeds.Length)];
        var root = JsonNode.Parse(seed)!;
        for (var i = random.Next(1, 4); i > 0; i--)
        {
            MutateOnce(random, root);
        }

        var bytes = Encoding.UTF8.GetBytes(root.ToJsonString());
        switch (random.Next(12))
        {
            case 0:
                return (path, bytes[..random.Next(bytes.Length)]);
            case 1:
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
                return (path, bytes);
            default:
                return (path, bytes);
        }
    }

    /// <summary>Removes, replaces, copies or adds one value somewhere.</summary>
    private static void MutateOnce(Random random, JsonNode root)
    {
        var places = new List<JsonNode>();
        Collect(root, places);
        var place = places[random.Next(places.Count)];
        var junk = JsonNode.Parse(s_junk[random.Next(s_junk.Length)]);
        switch (place)
        {
            case JsonObject { Count: > 0 } members when random.Next(5) > 0:
                var name = members.ElementAt(random.Next(members.Count)).Key;
                if (random.Next(4) == 0)
                {
                    members.Remove(name);
                }
                else
                {
                    members[name] = junk;
                }

                break;
            case JsonObject members:
                members[random.Next(2) == 0 ? "frobnicate" : "n"] = junk;
                break;
            case JsonArray { Count: > 0 } items when random.Next(2) == 0:
                items[random.Next(items.Count)] = random.Next(2) == 0 ? junk : items[random.Next(items.Count)]?.DeepClone();
                break;
            case JsonArray items:
                items.Add(junk);
                break;
        }
    }

    private static void Collect(JsonNode? node, List<JsonNode> places)
    {
        switch (node)
        {
            case JsonObject members:
                places.Add(members);
                members.ToList().ForEach(member => Collect(member.Value, places));
                break;
            case JsonArray items:
                places.Add(items);
                items.ToList().ForEach(item => Collect(item, places));
                break;
        }
    }
}
