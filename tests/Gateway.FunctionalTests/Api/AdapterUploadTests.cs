using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Gateway.FunctionalTests.FrontDoor;
using Gateway.Security;
using Gateway.TestKit;
using Xunit;

namespace Gateway.FunctionalTests.Api;

public sealed class AdapterUploadTests
{
    [Theory]
    [InlineData("form")]
    [InlineData("tar")]
    [InlineData("tar in a folder")]
    [InlineData("tar.gz")]
    public async Task An_adapter_comes_as_a_form_or_a_tar_and_serves_after_a_restart(string how)
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        var folder = gateway.Model.WriteAdapter(1);
        using var uploaded = how switch
        {
            "form" => await PostAsync(gateway, Form(folder), "?reason=from+the+lab"),
            _ => await PostAsync(gateway, Tar(folder, how == "tar" ? "" : "my-adapter/", how == "tar.gz"), "?name=mine"),
        };
        Assert.Equal(HttpStatusCode.Created, uploaded.StatusCode);
        var adapter = await GatewayUnderTest.ReadAsync(uploaded);
        Assert.Equal(how == "form" ? "lab" : "mine", adapter.GetProperty("name").GetString());
        Assert.False(adapter.TryGetProperty("prompt_hash", out _));
        var generation = adapter.GetProperty("generation").GetString()!;

        // The same content is the same generation, however it comes.
        Assert.Equal(generation, await gateway.ImportAdapterAsync(1));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(gateway.DataFolder, "uploads")));
        await gateway.DeployAsync("tuned", null, generation);
        await gateway.RestartAsync();
        using var chat = await gateway.ChatAsync("tuned");
        Assert.Equal(generation, (await GatewayUnderTest.ReadAsync(chat)).GetProperty("adapter_generation").GetString());
        Assert.Contains((await gateway.GetAsync("/v1/audit")).GetProperty("data").EnumerateArray(), entry => entry.GetProperty("action").ValueEquals("adapter.register"));
    }

    [Theory]
    [InlineData("../adapter_config.json", "invalid_upload", 400)]
    [InlineData("/etc/adapter_config.json", "invalid_upload", 400)]
    [InlineData("a/b/adapter_config.json", "invalid_upload", 400)]
    [InlineData("other/adapter_config.json", "invalid_upload", 400)]
    [InlineData("..\\adapter_config.json", "invalid_upload", 400)]
    [InlineData("link", "invalid_upload", 400)]
    [InlineData("hard link", "invalid_upload", 400)]
    [InlineData("adapter_model.bin", "invalid_lora_adapter", 422)]
    [InlineData("adapter_model.safetensors", "invalid_upload", 400)]
    [InlineData("many", "invalid_upload", 400)]
    [InlineData("cut", "invalid_upload", 400)]
    public async Task What_a_tar_must_not_hold_is_refused_and_leaves_nothing(string entry, string code, int status)
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        var bytes = new MemoryStream();
        await using (var tar = new TarWriter(bytes, TarEntryFormat.Pax, leaveOpen: true))
        {
            await tar.WriteEntryAsync(File("adapter_model.safetensors", "x"), TestContext.Current.CancellationToken);
            foreach (var item in Entries(entry))
            {
                await tar.WriteEntryAsync(item, TestContext.Current.CancellationToken);
            }
        }

        var content = new ByteArrayContent(entry == "cut" ? bytes.ToArray()[..700] : bytes.ToArray());
        content.Headers.ContentType = new("application/x-tar");
        using var response = await PostAsync(gateway, content);
        Assert.Equal(code, await GatewayUnderTest.ErrorCodeAsync(response, status));
        Assert.Empty((await gateway.GetAsync("/v1/adapters")).GetProperty("data").EnumerateArray());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(gateway.DataFolder, "uploads")));
        Assert.False(System.IO.File.Exists(Path.Combine(gateway.DataFolder, "adapter_config.json")));

        static IEnumerable<TarEntry> Entries(string kind) => kind switch
        {
            "link" => [new PaxTarEntry(TarEntryType.SymbolicLink, "adapter_config.json") { LinkName = "/etc/passwd" }],
            "hard link" => [new PaxTarEntry(TarEntryType.HardLink, "adapter_config.json") { LinkName = "adapter_model.safetensors" }],
            "many" => Enumerable.Range(0, 70).Select(i => File($"{i}.json", "{}")),
            "cut" => [File("adapter_config.json", new string('x', 2000))],
            _ => [File(kind, "{}")],
        };
    }

    [Fact]
    public async Task Other_bodies_fields_and_broken_adapters_are_refused_by_name()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        using var json = await gateway.PostAsync("/v1/adapters", "{}");
        Assert.Equal("unsupported_media_type", await GatewayUnderTest.ErrorCodeAsync(json, 415));
        using var field = await PostAsync(gateway, new MultipartFormDataContent { { new StringContent("x"), "nmae" } });
        Assert.Equal("unknown_parameter", await GatewayUnderTest.ErrorCodeAsync(field, 400));
        using var empty = await PostAsync(gateway, new MultipartFormDataContent { { new StringContent("x"), "name" } });
        Assert.Equal("invalid_lora_adapter", await GatewayUnderTest.ErrorCodeAsync(empty, 422));
        using var other = new TinyModel(seed: 2);
        var folder = other.WriteAdapter(1);
        System.IO.File.WriteAllText(Path.Combine(folder, "manifest.json"), """{"base_fingerprint":"another"}""");
        using var foreign = await PostAsync(gateway, Form(folder));
        Assert.Equal("invalid_lora_adapter", await GatewayUnderTest.ErrorCodeAsync(foreign, 422));
    }

    [Fact]
    public async Task An_unused_generation_is_deleted_and_a_used_one_is_not()
    {
        await using var gateway = await GatewayUnderTest.StartAsync();
        var generations = new List<string>();
        for (var seed = 1; seed <= 3; seed++)
        {
            generations.Add(await gateway.ImportAdapterAsync(seed));
        }

        var release = await gateway.DeployAsync("tuned", null, generations[0]);
        for (var next = 1; next < 3; next++)
        {
            release = await gateway.MoveAsync("tuned", release, generations[next]);
        }

        foreach (var used in generations.Skip(1))
        {
            using var refused = await DeleteAsync(gateway, used);
            Assert.Equal("adapter_in_use", await GatewayUnderTest.ErrorCodeAsync(refused, 409));
        }

        using (var deleted = await DeleteAsync(gateway, generations[0]))
        {
            Assert.True((await GatewayUnderTest.ReadAsync(deleted)).GetProperty("deleted").GetBoolean());
        }

        Assert.False(Directory.Exists(Path.Combine(gateway.DataFolder, "adapters", generations[0])));
        using (var again = await DeleteAsync(gateway, generations[0]))
        {
            Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(again, 404));
        }

        // Its release is a name without content, and no deployment moves there.
        var gone = (await gateway.GetAsync("/v1/releases")).GetProperty("data").EnumerateArray()
            .Single(known => known.TryGetProperty("generation", out var of) && of.ValueEquals(generations[0])).GetProperty("id").GetString();
        using var moved = await gateway.PutAsync("/v1/deployments/tuned", $$"""{"release_id":"{{gone}}","expected_release_id":"{{release}}"}""");
        Assert.Equal("not_found", await GatewayUnderTest.ErrorCodeAsync(moved, 404));

        // What was deleted can come again.
        var folder = gateway.Model.WriteAdapter(1);
        using var back = await PostAsync(gateway, Form(folder));
        Assert.Equal(generations[0], (await GatewayUnderTest.ReadAsync(back)).GetProperty("generation").GetString());
        Assert.True(Directory.Exists(Path.Combine(gateway.DataFolder, "adapters", generations[0])));
    }

    [Fact]
    public async Task Where_signatures_are_required_only_trusted_whole_ones_pass()
    {
        using var keys = new TemporaryFolder();
        using var trusted = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var stranger = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var pem = Path.Combine(keys.Path, "key.pem");
        await System.IO.File.WriteAllTextAsync(pem, trusted.ExportSubjectPublicKeyInfoPem(), TestContext.Current.CancellationToken);
        await using var gateway = await GatewayUnderTest.StartAsync(with: options => options with { TrustedAdapterKeys = [pem], RequireSignedAdapters = true });
        var folder = gateway.Model.WriteAdapter(1);

        await RefusedAsync("unsigned");
        Sign(folder, stranger, ["adapter_config.json", "adapter_model.safetensors"]);
        await RefusedAsync("by a stranger");
        Sign(folder, trusted, ["adapter_config.json"]);
        await RefusedAsync("not of every file");
        Sign(folder, trusted, ["adapter_config.json", "adapter_model.safetensors"]);
        var manifest = Path.Combine(folder, "manifest.json");
        System.IO.File.WriteAllText(manifest, """{"prompt_hash":"x"}""");
        await RefusedAsync("with a file that came later");
        System.IO.File.Delete(manifest);

        using var accepted = await PostAsync(gateway, Form(folder));
        var adapter = await GatewayUnderTest.ReadAsync(accepted);
        Assert.Equal(AdapterSignatures.KeyId(trusted), adapter.GetProperty("signed_by").GetString());

        // Imports obey the same rule.
        Directory.CreateDirectory(Path.Combine(gateway.DataFolder, "import"));
        Directory.Move(gateway.Model.WriteAdapter(2), Path.Combine(gateway.DataFolder, "import", "two"));
        using var imported = await gateway.PostAsync("/v1/adapters/import", """{"path":"two"}""");
        Assert.Equal("adapter_signature_invalid", await GatewayUnderTest.ErrorCodeAsync(imported, 422));

        async Task RefusedAsync(string what)
        {
            using var response = await PostAsync(gateway, Form(folder));
            Assert.True(response.StatusCode == HttpStatusCode.UnprocessableEntity, what);
            Assert.Equal("adapter_signature_invalid", await GatewayUnderTest.ErrorCodeAsync(response, 422));
        }
    }

    private static void Sign(string folder, ECDsa key, IEnumerable<string> files)
    {
        var statement = JsonSerializer.SerializeToUtf8Bytes(new
        {
            _type = "https://in-toto.io/Statement/v1",
            subject = new[] { new { name = "adapter", digest = new { sha256 = "" } } },
            predicateType = "https://model_signing/signature/v1.0",
            predicate = new
            {
                resources = files.Select(file => new
                {
                    name = file,
                    algorithm = "sha256",
                    digest = Convert.ToHexStringLower(SHA256.HashData(System.IO.File.ReadAllBytes(Path.Combine(folder, file)))),
                }),
            },
        });
        const string Type = "application/vnd.in-toto+json";
        var signature = key.SignData(DsseEnvelope.PreAuthenticationEncoding(Type, statement), HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence);
        System.IO.File.WriteAllBytes(Path.Combine(folder, AdapterSignatures.FileName), JsonSerializer.SerializeToUtf8Bytes(new
        {
            payloadType = Type,
            payload = Convert.ToBase64String(statement),
            signatures = new[] { new { keyid = "any", sig = Convert.ToBase64String(signature) } },
        }));
    }

    private static PaxTarEntry File(string name, string text) =>
        new(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) };

    private static MultipartFormDataContent Form(string folder)
    {
        var form = new MultipartFormDataContent { { new StringContent("lab"), "name" } };
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            form.Add(new ByteArrayContent(System.IO.File.ReadAllBytes(file)), "files", Path.GetFileName(file));
        }

        form.Add(new StringContent("# read me"), "files", "README.md");
        return form;
    }

    private static ByteArrayContent Tar(string folder, string prefix, bool compress)
    {
        var packed = new MemoryStream();
        using (var tar = new TarWriter(packed, TarEntryFormat.Ustar, leaveOpen: true))
        {
            if (prefix.Length > 0)
            {
                tar.WriteEntry(new UstarTarEntry(TarEntryType.Directory, prefix));
            }

            foreach (var file in Directory.EnumerateFiles(folder))
            {
                tar.WriteEntry(file, prefix + Path.GetFileName(file));
            }
        }

        var bytes = packed.ToArray();
        if (compress)
        {
            var zipped = new MemoryStream();
            using (var zip = new GZipStream(zipped, CompressionLevel.Fastest))
            {
                zip.Write(bytes);
            }

            bytes = zipped.ToArray();
        }

        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = new MediaTypeHeaderValue(compress ? "application/gzip" : "application/x-tar");
        return content;
    }

    private static Task<HttpResponseMessage> PostAsync(GatewayUnderTest gateway, HttpContent content, string query = "") =>
        gateway.Client.PostAsync("/v1/adapters" + query, content, TestContext.Current.CancellationToken);

    private static Task<HttpResponseMessage> DeleteAsync(GatewayUnderTest gateway, string generation) =>
        gateway.Client.DeleteAsync($"/v1/adapters/{generation}?reason=tidy", TestContext.Current.CancellationToken);
}
