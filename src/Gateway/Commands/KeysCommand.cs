using System.CommandLine;
using Gateway.Domain.Keys;
using Gateway.Hosting;
using Gateway.Security;
using Gateway.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Gateway.Commands;

/// <summary><c>gateway keys</c>: makes and revokes API keys in the store itself, where no operator key exists yet or none is left.</summary>
internal static class KeysCommand
{
    private static readonly Option<string> Data = new("--data")
    {
        Description = "Data folder of the gateway; it must not be running on it.",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("GATEWAY_DATA") is { Length: > 0 } folder ? folder : DataFolder.DefaultRoot(),
    };

    private static readonly Option<string?> Redis = new("--redis")
    {
        Description = "The gateway's Redis, for example localhost:6379; then it may be running.",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("GATEWAY_REDIS") is { Length: > 0 } redis ? redis : null,
    };

    /// <summary>The command with its subcommands.</summary>
    public static Command Create() => new(
        "keys",
        """
        Make and revoke API keys in the store. A running gateway does the same at /v1/keys.

        Examples:
          gateway keys create
          gateway keys create --scope inference --scope feedback --owner team-a --name "team a, staging"
          gateway keys revoke abc123def456
        """)
    {
        CreateCreate(), CreateList(), CreateRevoke(),
    };

    private static Command CreateCreate()
    {
        var scope = new Option<KeyScope[]>("--scope") { Description = "What it may be used for (repeatable): inference, feedback, metrics, operator.", DefaultValueFactory = _ => [KeyScope.Operator] };
        var owner = new Option<string>("--owner") { Description = "Whose key it is; keys of one owner share their records.", DefaultValueFactory = _ => "operator" };
        var name = new Option<string?>("--name") { Description = "What you call it." };
        var command = new Command("create", "Make a key and print its secret, once. The default is an operator's key.") { Data, Redis, scope, owner, name };
        command.SetAction((parsed, cancellationToken) => WithStoreAsync(parsed, async issuer =>
        {
            var scopes = parsed.GetRequiredValue(scope);
            var isFirst = (await issuer.ListAsync(cancellationToken)).Count == 0;
            if (isFirst && !scopes.Contains(KeyScope.Operator))
            {
                return await Refusal.WriteAsync("from the first key on every caller needs one: make one with --scope operator first");
            }

            var issued = await issuer.CreateAsync(
                new ApiKey
                {
                    Id = "",
                    Hash = "",
                    Name = parsed.GetValue(name),
                    Owner = parsed.GetRequiredValue(owner),
                    Scopes = scopes,
                    CacheSalt = "",
                    CreatedAt = default,
                    CreatedBy = "",
                },
                "command line", "gateway keys create", cancellationToken);
            Console.WriteLine(issued.Secret);
            await Console.Error.WriteLineAsync($"Key {issued.Key.Id} of {issued.Key.Owner}. Keep the line above: it cannot be read again. Send it as 'Authorization: Bearer …'.");
            return 0;
        }));
        return command;
    }

    private static Command CreateList()
    {
        var command = new Command("list", "List the keys, without their secrets.") { Data, Redis };
        command.SetAction((parsed, cancellationToken) => WithStoreAsync(parsed, async issuer =>
        {
            foreach (var key in (await issuer.ListAsync(cancellationToken)).OrderBy(key => key.CreatedAt))
            {
                Console.WriteLine($"{key.Id}  {(key.IsActive(TimeProvider.System.GetUtcNow()) ? "active " : "revoked")}  {string.Join(',', key.Scopes).ToLowerInvariant(),-20}  {key.Owner}  {key.Name}");
            }

            return 0;
        }));
        return command;
    }

    private static Command CreateRevoke()
    {
        var id = new Argument<string>("id") { Description = "The key's public id." };
        var command = new Command("revoke", "End a key for good.") { id, Data, Redis };
        command.SetAction((parsed, cancellationToken) => WithStoreAsync(parsed, async issuer =>
            await issuer.RevokeAsync(parsed.GetRequiredValue(id), "command line", "gateway keys revoke", cancellationToken) is null
                ? await Refusal.WriteAsync($"no key '{parsed.GetValue(id)}' exists: see 'gateway keys list'")
                : 0));
        return command;
    }

    private static async Task<int> WithStoreAsync(ParseResult parsed, Func<KeyIssuer, Task<int>> run)
    {
        try
        {
            var options = new ServeOptions { Data = Path.GetFullPath(parsed.GetRequiredValue(Data)), Redis = parsed.GetValue(Redis) };
            await using var store = await GatewayStore.OpenAsync(options, TimeProvider.System, NullLoggerFactory.Instance);
            using var control = new ControlPlane(store.Documents, TimeProvider.System);
            return await run(new KeyIssuer(store.Documents, control, TimeProvider.System));
        }
        catch (StartRefusedException refusal)
        {
            return await Refusal.WriteAsync(refusal.Message);
        }
    }
}
